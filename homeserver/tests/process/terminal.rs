//! People with the terminal client `missive`.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

use super::{Homeserver, SERVER_NAME, person};

/// Someone with the terminal client.
pub struct User {
    pub name: &'static str,
    pub folder: PathBuf,
}

impl User {
    /// Registers.
    pub fn register(server: &Homeserver, name: &'static str) -> Self {
        let folder = server.directory.path().join(format!("client-{name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("password"), person::PASSWORD).unwrap();
        let user = Self { name, folder };
        let password = user.folder.join("password");
        let output = user
            .missive(&["register", name, "--server", &server.url, "--password-file", password.to_str().unwrap()])
            .output()
            .unwrap();
        succeeded(&output);
        user
    }

    pub fn address(&self) -> String {
        format!("{}@{SERVER_NAME}", self.name)
    }

    /// The file that opens the account.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// A command on this account.
    pub fn missive(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("missive"));
        command.arg("--home").arg(&self.folder).arg("--key-file").arg(self.key_file()).arg("--json");
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Sends; the state that the message reached.
    pub fn send(&self, to: &str, text: &str, wait: &str) -> Value {
        let output = self.missive(&["send", to, text, "--wait", wait]).output().unwrap();
        let lines = succeeded(&output);
        lines.into_iter().rev().find(|line| line.get("state").is_some()).expect("a line with the state")
    }

    pub fn listen(&self, more: &[&str]) -> Listener {
        let arguments = [&["listen", "--timeout", "60"], more].concat();
        let mut child = self.missive(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Listener { child, lines }
    }

    /// Everything that was written to, and by, somebody; the oldest first.
    pub fn history(&self, with: &str) -> Vec<Value> {
        succeeded(&self.missive(&["history", with, "--limit", "1000000"]).output().unwrap())
    }
}

/// A running `missive listen --json`.
pub struct Listener {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Listener {
    /// The next line of that type.
    pub fn line(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the listener ended before it said {kind}");
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["type"] == kind {
                return value;
            }
        }
    }

    pub fn succeed(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
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

/// What a command printed, a value a line.
pub fn succeeded(output: &Output) -> Vec<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
