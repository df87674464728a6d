//! A sample user with a terminal client of their own.

use std::{ffi::OsStr, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{listener::Listener, program, server::Server, shown, write_secret};
use crate::{random, shell, workspace};

/// Long enough for a slow machine; a message takes milliseconds.
const LISTEN_SECONDS: &str = "60";

/// An account, and where its client keeps its data.
pub(crate) struct Person {
    address: String,
    folder: PathBuf,
}

impl Person {
    /// Makes an account with a random password.
    pub(crate) fn register(name: &str, server: &Server) -> Result<Self> {
        let person = Self { address: format!("{name}@{}", server.name()), folder: server.folder().join(name) };
        DirBuilder::new().mode(0o700).create(&person.folder).context("creating a person's folder")?;
        let password = person.folder.join("password");
        write_secret(&password, &random::hex(16)?)?;
        let mut command = person.client("register");
        command.args([name, "--server", &server.url(), "--password-file"]).arg(&password);
        shown(command)?;
        Ok(person)
    }

    /// The account's full address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a text and waits until the homeserver is responsible for it.
    pub(crate) fn send(&self, to: &Self, text: &str) -> Result<()> {
        shown(self.send_command(to, text)).map(drop)
    }

    /// Starts to listen for one message.
    pub(crate) fn listen(&self) -> Result<Listener> {
        let mut command = self.listen_command();
        command.args(["--json", "--count", "1", "--timeout", LISTEN_SECONDS]);
        println!("$ {}", shell::line(&command));
        Listener::start(command)
    }

    /// What this person's client remembers of the exchange with the other.
    pub(crate) fn history(&self, with: &Self) -> Result<String> {
        shown(self.history_command(with))
    }

    /// The command that sends a text.
    pub(crate) fn send_command(&self, to: &Self, text: &str) -> Command {
        self.with_account("send", &[&to.address, text])
    }

    /// The command that shows what arrives.
    pub(crate) fn listen_command(&self) -> Command {
        self.with_account("listen", &[])
    }

    /// The command that shows what was exchanged.
    pub(crate) fn history_command(&self, with: &Self) -> Command {
        self.with_account("history", &[&with.address])
    }

    fn with_account(&self, subcommand: &str, words: &[&str]) -> Command {
        let mut command = self.client(subcommand);
        command.args(words).args(["--account", &self.address]);
        command
    }

    fn client(&self, subcommand: &str) -> Command {
        let mut command = Command::new(program("missive"));
        workspace::forget_settings(&mut command);
        command.args([OsStr::new(subcommand), "--home".as_ref(), self.folder.join("home").as_os_str()]);
        command.arg("--key-file").arg(self.folder.join("storage.key"));
        command
    }
}
