//! People with the terminal client.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::{
    process::{self, Homeserver, Kind, SERVER_NAME, person::PASSWORD},
    terminal::Terminal,
};

/// The size of most terminals here.
pub const SIZE: (u16, u16) = (100, 24);

/// A homeserver with its people.
pub async fn homeserver() -> Homeserver {
    Homeserver::start(Kind::Sqlite).await.unwrap()
}

/// Someone with an account, in a folder of their own.
pub struct User {
    pub name: &'static str,
    pub folder: PathBuf,
}

impl User {
    pub fn register(server: &Homeserver, name: &'static str) -> Self {
        let user = Self { name, folder: server.directory.path().join(format!("client-{name}")) };
        fs::create_dir(&user.folder).unwrap();
        fs::write(user.folder.join("password"), PASSWORD).unwrap();
        user.missive(&["register", name, "--server", &server.url, "--password-file", &user.password()]);
        user
    }

    pub fn address(&self) -> String {
        format!("{}@{SERVER_NAME}", self.name)
    }

    /// The file with the password.
    pub fn password(&self) -> String {
        self.folder.join("password").display().to_string()
    }

    /// Runs the client without a terminal; it must succeed. Its lines.
    pub fn missive(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.output(arguments);
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8(output.stdout).unwrap();
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("missive"));
        command.args(self.keys()).arg("--json").args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Sends a message; it is on its way.
    pub fn send(&self, to: &Self, text: &str) {
        self.missive(&["send", &to.address(), text]);
    }

    /// Opens `missive chat` in a terminal, and waits until it is connected.
    pub fn chat(&self, arguments: &[&str]) -> Terminal {
        let mut terminal = Terminal::run(self.command(&[&["chat"], arguments].concat()), SIZE);
        terminal.see("online");
        terminal
    }

    /// The client, to be run in a terminal.
    pub fn command(&self, arguments: &[&str]) -> CommandBuilder {
        let mut command = in_terminal("missive");
        command.args(self.keys());
        command.args(arguments);
        command
    }

    fn keys(&self) -> [String; 4] {
        let key = self.folder.join("key");
        ["--home".into(), self.folder.display().to_string(), "--key-file".into(), key.display().to_string()]
    }
}

/// A program of the workspace, to be run in a terminal that knows colours, and nothing of the tests' surroundings.
pub fn in_terminal(name: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new(binary(name));
    command.env_clear();
    command.env("TERM", "xterm-256color");
    command
}

pub fn missivectl(server: &Homeserver, arguments: &[&str]) {
    let output = Command::new(binary("missivectl"))
        .args(arguments)
        .args(process::data_arguments(server.directory.path(), &server.database))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_homeserver")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace` first", path.display());
    path
}
