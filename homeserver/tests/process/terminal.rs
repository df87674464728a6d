//! Someone with the terminal client.

use std::{
    fmt::{self, Display},
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

use super::{Authority, Homeserver, arguments_as, person::PASSWORD};

/// An account with a folder and a key file of its own.
#[derive(Clone)]
pub struct User {
    pub name: &'static str,
    pub folder: PathBuf,
    pub server_name: String,
    pub authority: Option<Authority>,
}

impl User {
    pub fn register(server: &Homeserver, name: &'static str) -> Self {
        let user = Self::new(server, name);
        succeeded(&user.register_command(server).output().unwrap());
        user
    }

    /// Someone who has no account yet.
    pub fn new(server: &Homeserver, name: &'static str) -> Self {
        let folder = server.directory.path().join(format!("client-{name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("password"), PASSWORD).unwrap();
        Self { name, folder, server_name: server.seat.name.clone(), authority: server.seat.authority.clone() }
    }

    pub fn register_command(&self, server: &Homeserver) -> Command {
        self.missive(&["register", self.name, "--server", &server.url, "--password-file", &self.password()])
    }

    pub fn login_command(&self, server: &Homeserver, more: &[&str]) -> Command {
        let password = self.password();
        self.missive(&[&["login", self.name, "--server", &server.url, "--password-file", &password], more].concat())
    }

    pub fn address(&self) -> String {
        format!("{}@{}", self.name, self.server_name)
    }

    /// The terminal client, saying everything as JSON.
    pub fn missive(&self, arguments: &[&str]) -> Command {
        self.plain(&[&["--json"], arguments].concat())
    }

    /// The terminal client, as a person calls it.
    pub fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("missive"));
        command.arg("--home").arg(&self.folder).arg("--key-file").arg(self.key_file());
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        command.envs(self.authority.iter().map(|authority| ("SSL_CERT_FILE", authority.file())));
        command
    }

    /// What a command says, line by line.
    pub fn run(&self, arguments: &[&str]) -> Vec<Value> {
        succeeded(&self.missive(arguments).output().unwrap())
    }

    /// As [`User::run`], for a command that says one thing.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let mut lines = self.run(arguments);
        assert_eq!(lines.len(), 1, "{arguments:?}: {lines:?}");
        lines.remove(0)
    }

    /// What a person sees of a command that succeeds.
    pub fn see(&self, arguments: &[&str]) -> String {
        let output = self.plain(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command that fails: its exit code, the stable word of the failure, and what it had said before.
    pub fn fail(&self, arguments: &[&str]) -> (i32, String, Vec<Value>) {
        let output = self.missive(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}: {stderr}");
        let last = stderr.lines().last().unwrap_or_else(|| panic!("{arguments:?} says nothing"));
        let failure: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{arguments:?}: {stderr}"));
        (output.status.code().unwrap(), failure["code"].as_str().unwrap().to_owned(), lines(&output))
    }

    /// The file that opens the account.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// Sends; the state that the message reached.
    pub fn send(&self, to: impl Display, text: &str, wait: &str) -> Value {
        let lines = succeeded(&self.send_command(to, text, wait).output().unwrap());
        lines.into_iter().rev().find(|line| line.get("state").is_some()).expect("a line with the state")
    }

    pub fn send_command(&self, to: impl Display, text: &str, wait: &str) -> Command {
        self.missive(&["send", &to.to_string(), text, "--wait", wait])
    }

    pub fn listen(&self, more: &[&str]) -> Listener {
        Listener::start(self.missive(&[&["listen", "--timeout", "60"], more].concat()))
    }

    /// What comes within so many seconds.
    pub fn listen_for(&self, seconds: &str, more: &[&str]) -> Vec<Value> {
        Listener::start(self.missive(&[&["listen", "--timeout", seconds], more].concat())).rest().0
    }

    /// Everything that was written to, and by, somebody; the oldest first.
    pub fn history(&self, with: impl Display) -> Vec<Value> {
        succeeded(&self.missive(&["history", &with.to_string(), "--limit", "1000000"]).output().unwrap())
    }

    /// The file with the account's password.
    pub fn password(&self) -> String {
        self.folder.join("password").display().to_string()
    }
}

/// The address.
impl Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

/// A running `missive listen --json`.
pub struct Listener {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Listener {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line of that type.
    pub fn line(&mut self, kind: &str) -> Value {
        loop {
            let value = self.any().unwrap_or_else(|| panic!("the listener ended before it said {kind}"));
            if value["type"] == kind {
                return value;
            }
        }
    }

    /// The lines until it ends, and whether it was killed.
    pub fn rest(mut self) -> (Vec<Value>, bool) {
        let mut lines = Vec::new();
        while let Some(line) = self.any() {
            lines.push(line);
        }
        (lines, self.child.wait().unwrap().signal() == Some(9))
    }

    /// The exit code.
    pub fn exit_code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    pub fn succeed(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    fn any(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the workspace, built beside the homeserver's.
pub fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_homeserver")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace` first", path.display());
    path
}

/// The admin's command line, on a homeserver's data.
pub fn missivectl(server: &Homeserver, arguments: &[&str]) -> Output {
    Command::new(binary("missivectl"))
        .args(arguments)
        .args(arguments_as(&server.seat.name, server.directory.path(), &server.database))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// As [`missivectl`], which must succeed.
pub fn administer(server: &Homeserver, arguments: &[&str]) {
    let output = missivectl(server, arguments);
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// The lines of a command that succeeded.
pub fn succeeded(output: &Output) -> Vec<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    lines(output)
}

fn lines(output: &Output) -> Vec<Value> {
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
