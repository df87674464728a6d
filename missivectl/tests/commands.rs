//! The real binary on real databases, with and without a server that runs.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

#[path = "commands/account.rs"]
mod account;
#[path = "commands/federation.rs"]
mod federation;
#[path = "commands/health.rs"]
mod health;
#[path = "commands/help.rs"]
mod help;
#[path = "commands/migrate.rs"]
mod migrate;
#[path = "commands/peer.rs"]
mod peer;
#[path = "commands/refusals.rs"]
mod refusals;
#[path = "commands/revocation.rs"]
mod revocation;
#[path = "commands/token.rs"]
mod token;
