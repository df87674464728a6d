//! The command line; its help is its documentation.

mod examples;

use clap::{Args, Parser, Subcommand};
use homeserver::config::Flags;
use reqwest::Url;

/// Manages a Missive homeserver: accounts, sessions, migrations, health.
///
/// It works on the homeserver's database, with the same settings: these flags, `MISSIVE_…` environment variables, the
/// file given with --config, the defaults. No server has to run; one that does obeys within a second.
#[derive(Debug, Parser)]
#[command(name = "missivectl", version, after_long_help = examples::ALL)]
pub(crate) struct Cli {
    /// Print one JSON document on standard output, and errors as {"error", "code"} on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten, next_help_heading = "Settings, the same as the homeserver's")]
    pub(crate) flags: Flags,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists, shows, revokes and restores accounts
    #[command(after_long_help = examples::ACCOUNT)]
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Ends sessions, and with them their tokens
    #[command(after_long_help = examples::TOKEN)]
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Shows migrations and applies them
    #[command(after_long_help = examples::MIGRATE)]
    Migrate {
        #[command(subcommand)]
        command: MigrateCommand,
    },
    /// Tells whether the homeserver is healthy
    ///
    /// Looks at the database directly (it answers, its migrations are applied, the master key opens its signing keys,
    /// its disk has room) and asks the server at `listen`. Ends with 0 if everything is well, with 5 if not.
    #[command(after_long_help = examples::HEALTH)]
    Health {
        /// Ask only the server at this URL; no settings are read
        #[arg(long, value_name = "URL", value_parser = server_url)]
        url: Option<Url>,
    },
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Lists accounts by name: when they were made and revoked, and how many devices, sessions and pending messages
    #[command(after_long_help = examples::ACCOUNT_LIST)]
    List {
        /// Only names that begin so
        #[arg(long, value_name = "PREFIX")]
        search: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Shows one account with its devices, how many keys they have left, and its sessions
    #[command(after_long_help = examples::ACCOUNT_SHOW)]
    Show {
        /// `name` or `name@server`
        name: String,
    },
    /// Shuts an account out, within a second
    ///
    /// Its sessions end, its sockets close (4401), its access tokens are refused, its key bundles are no longer given out,
    /// and new messages to it are refused. Messages that wait for it are settled: their senders are told. `account
    /// restore` undoes the rest. On a terminal it asks first.
    #[command(after_long_help = examples::ACCOUNT_REVOKE)]
    Revoke {
        /// `name` or `name@server`
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Lets a revoked account log in again; its sessions stay ended
    #[command(after_long_help = examples::ACCOUNT_RESTORE)]
    Restore {
        /// `name` or `name@server`
        name: String,
    },
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Removes expired sessions, or ends every session of one account
    ///
    /// A running server removes expired sessions by itself, every minute. With --account, every session of that account
    /// ends: its sockets close (4401), its access tokens are refused within a second, and its devices log in again.
    #[command(after_long_help = examples::TOKEN_PURGE)]
    Purge(Purge),
}

/// Which sessions go.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// End every session of this account (`name` or `name@server`)
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// Only tell how many it would be
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What can be done with migrations.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Shows which migrations the database has, and which are pending
    #[command(after_long_help = examples::MIGRATE_STATUS)]
    Status,
    /// Applies the pending migrations; makes the embedded database if there is none
    #[command(after_long_help = examples::MIGRATE_RUN)]
    Run,
}

fn server_url(text: &str) -> Result<Url, String> {
    let wanted = "write it like http://127.0.0.1:8080 or https://chat.example.org";
    let url = Url::parse(text).map_err(|error| format!("{error}; {wanted}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(wanted.to_owned()) }
}
