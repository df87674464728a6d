//! A sample user with a terminal client of their own.

use std::{
    ffi::OsStr,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{listener::Listener, output, program, server::Server, shown, write_secret};
use crate::{random, shell, workspace};

/// Long enough for a slow machine; a message takes milliseconds.
const LISTEN_SECONDS: &str = "60";

/// An account, and where its client keeps its data.
pub(crate) struct Person {
    address: String,
    folder: PathBuf,
}

impl Person {
    /// Makes an account with a random password; the client's data go into a folder of that name.
    pub(crate) fn register(name: &str, server: &Server, folder: &Path) -> Result<Self> {
        let person = Self { address: format!("{name}@{}", server.name()), folder: folder.join(name) };
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

    /// Sends a text and waits until the other's device has it.
    pub(crate) fn send_and_wait(&self, to: &Self, text: &str) -> Result<()> {
        let mut command = self.send_command(to, text);
        command.args(["--wait", "received"]);
        shown(command).map(drop)
    }

    /// Starts to listen for one message.
    pub(crate) fn listen(&self) -> Result<Listener> {
        self.listen_with(&["--count", "1"])
    }

    /// Starts to listen for whatever comes.
    pub(crate) fn follow(&self) -> Result<Listener> {
        self.listen_with(&[])
    }

    /// What this person's client remembers of the exchange with the other.
    pub(crate) fn history(&self, with: &Self) -> Result<String> {
        shown(self.history_command(with))
    }

    /// The same, not shown.
    pub(crate) fn remembered(&self, with: &Self) -> Result<String> {
        output(self.history_command(with))
    }

    /// The safety number with the other; compared with what that one sees, if given.
    pub(crate) fn safety_number(&self, with: &Self, theirs: Option<&str>) -> Result<String> {
        let compare = theirs.map(|theirs| ["--compare", theirs]);
        let words = compare.iter().flatten().copied().chain(["--no-qr"]);
        let mut command = self.with_account("safety-number", &[&with.address]);
        command.args(words);
        shown(command)
    }

    /// The command that sends a text.
    pub(crate) fn send_command(&self, to: &Self, text: &str) -> Command {
        self.with_account("send", &[&to.address, text])
    }

    /// The command that shows what arrives.
    pub(crate) fn listen_command(&self) -> Command {
        self.with_account("listen", &["--read"])
    }

    /// The command that shows what was exchanged.
    pub(crate) fn history_command(&self, with: &Self) -> Command {
        self.with_account("history", &[&with.address])
    }

    /// The command that shows a screen to chat in.
    pub(crate) fn chat_command(&self, with: &Self) -> Command {
        self.with_account("chat", &[&with.address])
    }

    fn listen_with(&self, words: &[&str]) -> Result<Listener> {
        let mut command = self.listen_command();
        command.args(["--json", "--timeout", LISTEN_SECONDS]).args(words);
        println!("$ {}", shell::line(&command));
        Listener::start(command)
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
