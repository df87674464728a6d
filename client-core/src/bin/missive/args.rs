//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use client_core::wire::{Address, State};

const EXAMPLES: &str = "\
Examples:
  missive register alice --server https://one.example
  missive send bob@two.example 'Hello, Bob'
  git log -1 | missive send bob@two.example
  missive listen --count 1 --timeout 60 --json
  missive history bob@two.example
  missive chat bob@two.example

Exit codes:
  0 done   1 something else   2 wrong usage   3 authentication   4 the homeserver cannot be reached
  5 refused or undeliverable  6 local storage, or another process has it  7 out of time

MISSIVE_LOG=debug tells on stderr what happens underneath.";

/// Missive in the terminal: end-to-end encrypted messages between homeservers.
#[derive(Debug, Parser)]
#[command(name = "missive", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where the accounts are kept [default: where this system keeps its programs' data]
    #[arg(long, env = "MISSIVE_HOME", value_name = "DIR", global = true)]
    pub(crate) home: Option<PathBuf>,
    /// Which account [default: the only one there is]
    #[arg(long, env = "MISSIVE_ACCOUNT", value_name = "NAME@SERVER", global = true)]
    pub(crate) account: Option<Address>,
    /// Open the account with a plain key file, which only its owner may read; made where it is missing
    #[arg(long, env = "MISSIVE_KEY_FILE", value_name = "FILE", global = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// Open the account with the passphrase in this file's first line [default: the keyring, else a prompt]
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "key_file")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Say everything as JSON: an object a line, errors on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register an account on a homeserver
    Register(Register),
    /// Log in, with the name and server that are known here or with others
    Login(Login),
    /// Send a message, and wait until it is on its way
    Send(Send),
    /// Show messages as they come; what came during another command stands in the history only
    Listen(Listen),
    /// Show a conversation
    History(History),
    /// Chat on a whole screen
    #[command(after_help = crate::chat::keys::help())]
    Chat(Chat),
}

/// Where the account's password comes from.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// Read the account's password from this file's first line, or from stdin with '-' [default: a prompt]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The wanted name
    pub(crate) name: String,
    /// The homeserver's URL
    #[arg(long, env = "MISSIVE_SERVER", value_name = "URL")]
    pub(crate) server: String,
    /// The invitation, where the homeserver wants one
    #[arg(long, value_name = "TOKEN")]
    pub(crate) invite: Option<String>,
    #[command(flatten)]
    pub(crate) password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The account's name [default: that of the account here]
    pub(crate) name: Option<String>,
    /// The homeserver's URL [default: that of the account here]
    #[arg(long, env = "MISSIVE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The current code of the second factor
    #[arg(long, value_name = "CODE")]
    pub(crate) totp: Option<String>,
    /// A recovery code in its stead
    #[arg(long, value_name = "CODE", conflicts_with = "totp")]
    pub(crate) recovery_code: Option<String>,
    /// Make new keys in the place of lost ones; other devices, their sessions and undelivered messages go
    #[arg(long)]
    pub(crate) start_over: bool,
    #[command(flatten)]
    pub(crate) password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// To whom: a name on the same homeserver, or name@server
    pub(crate) address: String,
    /// The text; '-' or nothing reads it from stdin
    pub(crate) text: Option<String>,
    /// Wait until the message is that far
    #[arg(long, value_enum, default_value_t = WaitFor::Sent)]
    pub(crate) wait: WaitFor,
    /// Wait this long at most
    #[arg(long, value_name = "SECS", value_parser = seconds, default_value = "30")]
    pub(crate) timeout: Duration,
    /// Accept the receiver's new identity key, whose safety number has been compared
    #[arg(long)]
    pub(crate) accept_new_identity: bool,
}

/// How far a message should be.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum WaitFor {
    /// A homeserver holds it
    Sent,
    /// The receiver has it
    Received,
    /// The receiver has seen it
    Read,
}

impl WaitFor {
    pub(crate) fn state(self) -> State {
        match self {
            Self::Sent => State::Sent,
            Self::Received => State::Received,
            Self::Read => State::Read,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End after so many seconds; with --count, too few messages by then is exit code 7
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Tell the senders that their messages were shown
    #[arg(long)]
    pub(crate) read: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// With whom: a name on the same homeserver, or name@server
    pub(crate) address: String,
    /// Show so many messages, the newest
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// Open the conversation with them: a name on the same homeserver, or name@server
    pub(crate) address: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds".to_owned())
}
