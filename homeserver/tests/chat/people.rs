//! People whose terminal client runs in a terminal.

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::{
    process::{Homeserver, Kind, User, terminal::binary},
    terminal::Terminal,
};

/// The size of most terminals here.
pub const SIZE: (u16, u16) = (100, 24);

/// A homeserver with its people.
pub async fn homeserver() -> Homeserver {
    Homeserver::start(Kind::Sqlite).await.unwrap()
}

/// Someone at a terminal.
pub trait AtTerminal {
    /// Opens `missive chat` in a terminal, and waits until it is connected.
    fn chat(&self, arguments: &[&str]) -> Terminal;

    /// The client, to be run in a terminal.
    fn command(&self, arguments: &[&str]) -> CommandBuilder;

    /// Takes in so many messages, without a terminal: their texts.
    fn receive(&self, count: u32) -> Vec<String>;
}

impl AtTerminal for User {
    fn chat(&self, arguments: &[&str]) -> Terminal {
        let mut terminal = Terminal::run(self.command(&[&["chat"], arguments].concat()), SIZE);
        terminal.see("online");
        terminal
    }

    fn command(&self, arguments: &[&str]) -> CommandBuilder {
        let mut command = in_terminal("missive");
        command.arg("--home");
        command.arg(&self.folder);
        command.arg("--key-file");
        command.arg(self.key_file());
        command.args(arguments);
        command
    }

    fn receive(&self, count: u32) -> Vec<String> {
        let (lines, _) = self.listen(&["--count", &count.to_string()]).rest();
        let text = |line: &Value| line["text"].as_str().map(str::to_owned);
        lines.iter().filter(|line| line["type"] == "message").filter_map(text).collect()
    }
}

/// A program of the workspace, to be run in a terminal that knows colours, and nothing of the tests' surroundings.
pub fn in_terminal(name: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new(binary(name));
    command.env_clear();
    command.env("TERM", "xterm-256color");
    command
}
