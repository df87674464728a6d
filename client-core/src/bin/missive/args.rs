//! The command line; its help is its documentation.

mod account;
mod examples;
mod messages;
mod people;
mod shell;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use client_core::wire::Address;

pub(crate) use account::{Identity, Login, Logout, Password, Register};
pub(crate) use messages::{Export, Format, History, Listen, Send};
pub(crate) use people::{Contacts, ContactsCommand, SafetyNumber, Search};
pub(crate) use shell::{Completions, Man};

/// Missive in the terminal: end-to-end encrypted messages between homeservers.
#[derive(Debug, Parser)]
#[command(name = "missive", version, after_help = examples::ALL)]
pub(crate) struct Cli {
    #[command(flatten, next_help_heading = "Options of every command")]
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
    #[command(after_help = examples::REGISTER)]
    Register(Register),
    /// Log in, with the name and server that are known here or with others
    #[command(after_help = examples::LOGIN)]
    Login(Login),
    /// End the log-in, here and on the homeserver; keys and messages stay
    #[command(after_help = examples::LOGOUT)]
    Logout(Logout),
    /// Show who one is: address, device and identity key; or make new keys
    #[command(after_help = examples::IDENTITY)]
    Identity(Identity),
    /// Search for accounts: by the beginning of a name, or an exact name@server
    #[command(after_help = examples::SEARCH)]
    Search(Search),
    /// List contacts; name, verify or block them
    #[command(after_help = examples::CONTACTS)]
    Contacts(Contacts),
    /// Send a message, and wait until it is on its way
    ///
    /// Where another process has the account open, that one sends it.
    #[command(after_help = examples::SEND)]
    Send(Send),
    /// Show what nobody has been shown yet, then messages as they come
    ///
    /// It reconnects by itself. While it runs, other commands work beside it, but for those that change keys.
    #[command(after_help = examples::LISTEN)]
    Listen(Listen),
    /// List conversations, the newest first
    #[command(after_help = examples::CONVERSATIONS)]
    Conversations,
    /// Show a conversation, oldest first; it counts as shown afterwards. Times are UTC
    #[command(after_help = examples::HISTORY)]
    History(History),
    /// Show, compare or accept the safety number with someone
    ///
    /// Both of you see the same 60 digits unless somebody is between you. Compare them by another way than messages:
    /// face to face, or on the phone.
    #[command(after_help = examples::SAFETY_NUMBER)]
    SafetyNumber(SafetyNumber),
    /// Show how the account is: log-in, homeserver, keys, what waits
    #[command(after_help = examples::STATUS)]
    Status,
    /// List the accounts of this computer that can be opened
    #[command(after_help = examples::ACCOUNTS)]
    Accounts,
    /// Write messages out, oldest first
    ///
    /// What was put aside while its sender was blocked is not among them: see `history --hidden`.
    #[command(after_help = examples::EXPORT)]
    Export(Export),
    /// Print completions for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(Completions),
    /// Print the manual page, or write one for every command
    #[command(after_help = examples::MAN)]
    Man(Man),
    /// Chat on a whole screen
    #[command(after_help = examples::chat())]
    Chat(Chat),
}

#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// Open the conversation with them: a name on the same homeserver, name@server, or a petname
    pub(crate) who: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
