//! Messages: sending, receiving, looking back.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use client_core::wire::State;

use super::seconds;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// To whom: a name on the same homeserver, name@server, or a petname
    pub(crate) who: String,
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
    /// With whom: a name on the same homeserver, name@server, or a petname
    pub(crate) who: String,
    /// Show so many messages, the newest
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: u32,
    /// Show what was put aside while they were blocked instead
    #[arg(long)]
    pub(crate) hidden: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// With whom: a name on the same homeserver, name@server, or a petname
    #[arg(required_unless_present = "all")]
    pub(crate) who: Option<String>,
    /// Every conversation, one after the other
    #[arg(long, conflicts_with = "who")]
    pub(crate) all: bool,
    /// As what: a JSON object a message, or a line of text
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
    /// Write to this file, which only its owner may read, instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// As what messages are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What `history --json` says of each
    Json,
    /// What `history` says of each
    Text,
}
