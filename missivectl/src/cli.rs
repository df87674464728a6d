//! The command line; its help is its documentation.

mod examples;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use homeserver::config::Flags;
use missive_wire::{ServerName, Timestamp};
use reqwest::Url;

/// Manages a Missive homeserver: accounts, sessions, federation keys, migrations, health.
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
    /// Manages the keys that sign what this homeserver says to others, and what is known of those
    #[command(after_long_help = examples::FEDERATION)]
    Federation {
        #[command(subcommand)]
        command: FederationCommand,
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

/// What can be done about federation.
#[derive(Debug, Subcommand)]
pub(crate) enum FederationCommand {
    /// Lists, replaces and revokes the signing keys
    #[command(after_long_help = examples::FEDERATION_KEY)]
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Makes the recovery key, which is kept offline
    #[command(after_long_help = examples::FEDERATION_RECOVERY_KEY)]
    RecoveryKey {
        #[command(subcommand)]
        command: RecoveryKeyCommand,
    },
    /// Lists, checks, accepts and forgets other servers
    #[command(after_long_help = examples::FEDERATION_PEER)]
    Peer {
        #[command(subcommand)]
        command: PeerCommand,
    },
}

/// What can be done with signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Lists the signing keys, oldest first, with what each is for now
    ///
    /// States: `signing`; `next` (published, and will sign); `verifying` (replaced; what it signed still counts);
    /// `ended`; `revoked`; `orphaned` (it got its trust from a revoked key, and counts for nothing).
    #[command(after_long_help = examples::FEDERATION_KEY_LIST)]
    List,
    /// Makes the next signing key
    ///
    /// The newest key signs for it, so that other servers accept it by themselves. It is published at once, and signs
    /// after ten minutes, when everyone can know it. The key before it verifies for seven more days. Keys are valid for
    /// five years; a running server makes the next one by itself 90 days before the end.
    #[command(after_long_help = examples::FEDERATION_KEY_ROTATE)]
    Rotate {
        /// It is valid from then on (UTC); it signs ten minutes after it was made at the earliest
        #[arg(long, value_name = "TIME", value_parser = time)]
        valid_from: Option<Timestamp>,
        /// The recovery key signs for it, which overrides what the signing keys say
        #[arg(long, value_name = "FILE")]
        recovery_key: Option<PathBuf>,
    },
    /// Revokes a signing key for good, as after a theft
    ///
    /// It counts for nothing any more, not even for the keys that it signed for. If the newest key is one of these, or
    /// the revoked key itself, a new one takes its place at once, for which the recovery key signs. On a terminal it asks
    /// first.
    #[command(after_long_help = examples::FEDERATION_KEY_REVOKE)]
    Revoke {
        /// Which, as `federation key list` shows it
        key_id: String,
        /// The recovery key signs the revocation
        #[arg(long, value_name = "FILE")]
        recovery_key: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// What can be done with the recovery key.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryKeyCommand {
    /// Makes the recovery key, once, and publishes its public half
    ///
    /// The private half is in the file alone, never in the database: keep it offline, in two places. It is the way back
    /// after the signing keys were stolen or lost. Other servers hold on to the first recovery key that they see, so that
    /// there is only ever one: make it before they know this one.
    #[command(after_long_help = examples::FEDERATION_RECOVERY_KEY_CREATE)]
    Create {
        /// Where to write it; never over another file
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// What can be done with other servers.
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Lists the servers that were met, with when each was reached, or since when it is not
    ///
    /// KEYS says `changed` where a server publishes keys that nothing explains: see `federation peer show`.
    #[command(after_long_help = examples::FEDERATION_PEER_LIST)]
    List,
    /// Shows one server: the keys that are trusted, and those that nothing explains
    #[command(after_long_help = examples::FEDERATION_PEER_SHOW)]
    Show {
        /// Its name
        server: ServerName,
    },
    /// Trusts the keys that a server publishes now, in place of all before
    ///
    /// Only keys that nothing explains need it, as after a server was set up anew. Whoever made them speaks for that
    /// server's users, and says which keys are theirs: compare the public keys with its admin first, by another way than
    /// the servers. A running server obeys within a second. On a terminal it shows the keys and asks first.
    #[command(after_long_help = examples::FEDERATION_PEER_ACCEPT)]
    Accept {
        /// Its name
        server: ServerName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Looks for a server, checks its keys, and has it answer a signed request
    ///
    /// It goes the way that messages go, and says of each step what came of it: the name, the connection, TLS, the document,
    /// the clocks, the keys, the signatures. Keys that are met for the first time are pinned. Ends with 1 if a step failed.
    #[command(after_long_help = examples::FEDERATION_PEER_CHECK)]
    Check {
        /// Its name
        server: ServerName,
    },
    /// Forgets a server as if it had never been met
    ///
    /// The keys that it shows next are pinned without a question. What waits for it stays. On a terminal it asks first.
    #[command(after_long_help = examples::FEDERATION_PEER_FORGET)]
    Forget {
        /// Its name
        server: ServerName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
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

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn server_url(text: &str) -> Result<Url, String> {
    let wanted = "write it like http://127.0.0.1:8080 or https://chat.example.org";
    let url = Url::parse(text).map_err(|error| format!("{error}; {wanted}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(wanted.to_owned()) }
}
