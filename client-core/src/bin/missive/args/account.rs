//! The own account.

use std::path::PathBuf;

use clap::Args;

/// Where the account's password comes from.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// Read the account's password from this file's first line, or from stdin with '-' [default: a prompt]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The wanted name [default: a prompt]
    pub(crate) name: Option<String>,
    /// The homeserver's URL [default: a prompt]
    #[arg(long, env = "MISSIVE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The invitation, where the homeserver wants one
    #[arg(long, value_name = "TOKEN")]
    pub(crate) invite: Option<String>,
    #[command(flatten)]
    pub(crate) password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The account's name [default: that of the account here, else a prompt]
    pub(crate) name: Option<String>,
    /// The homeserver's URL [default: that of the account here, else a prompt]
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
pub(crate) struct Logout {
    /// End every log-in of the account, wherever it is
    #[arg(long)]
    pub(crate) everywhere: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// Make new keys in the place of lost ones; other devices, their sessions and undelivered messages go
    #[arg(long)]
    pub(crate) start_over: bool,
    /// The current code of the second factor
    #[arg(long, value_name = "CODE", requires = "start_over")]
    pub(crate) totp: Option<String>,
    /// Do not ask whether that is meant
    #[arg(long, requires = "start_over")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) password: Password,
}
