//! `token`: ending sessions, and with them their tokens.

use homeserver::{app::App, service::tokens};
use missive_wire::Address;
use serde::Serialize;

use super::account;
use crate::{
    cli::Purge,
    failure::Failure,
    output::{Output, count},
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    /// How many sessions ended, or would.
    purged: u64,
    dry_run: bool,
    /// Whose, if not all accounts' expired ones.
    account: Option<Address>,
}

/// Ends expired sessions, or all of one account.
pub(super) async fn purge(app: &App, purge: &Purge, output: Output) -> Result<(), Failure> {
    let account = match &purge.account {
        Some(name) => Some(account::find(app, name).await?),
        None => None,
    };
    let purged = match (&account, purge.dry_run) {
        (Some(account), true) => account.sessions(),
        (Some(account), false) => tokens::purge_account(app, account.id()).await? as u64,
        (None, true) => tokens::count_expired(app).await?,
        (None, false) => tokens::purge_expired(app).await? as u64,
    };
    let account = account.map(|account| account.address().clone());
    output.print(&Done { purged, dry_run: purge.dry_run, account }, describe)
}

fn describe(purge: &Done) -> String {
    let done = if purge.dry_run { "would be purged" } else { "purged" };
    match &purge.account {
        Some(address) => format!("{} of {address} {done}.", count(purge.purged, "session")),
        None => format!("{} {done}.", count(purge.purged, "expired session")),
    }
}
