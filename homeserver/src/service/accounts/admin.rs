//! What an admin does with accounts, on the same database as a running server.

use missive_wire::Code;
use uuid::Uuid;

use super::own_name;
use crate::{
    app::App,
    error::{Error, Result},
    service::sessions,
    store::AccountSummary,
};

/// Accounts whose names come behind `after`, in their order, at most `limit`.
pub async fn list(app: &App, after: &str, limit: u32) -> Result<Vec<AccountSummary>> {
    Ok(app.store.list_accounts(after, limit.into()).await?)
}

/// The account of a name, or of an address of this homeserver.
pub async fn find(app: &App, name: &str) -> Result<AccountSummary> {
    let name = own_name(app, name)?;
    let found = app.store.account_summary(name.as_str()).await?;
    found.ok_or_else(|| Error::new(Code::NotFound, format!("there is no account {name} on this homeserver")))
}

/// Revokes an account: its sessions end, its tokens count no more, it can neither log in nor be written to, and the
/// senders of what waits for it are told. Returns how many sessions ended.
pub async fn revoke(app: &App, account: Uuid) -> Result<usize> {
    let row = app.store.account(account).await?.ok_or_else(gone)?;
    let address = app.address(&own_name(app, &row.name)?);
    let ended = app.store.revoke_account(account, &address, app.clock.now()).await?.ok_or_else(gone)?;
    app.revocations.revoke(account);
    app.directory.forget(account);
    sessions::announce(app, &ended);
    Ok(ended.len())
}

/// Lets a revoked account log in again. What was ended stays ended.
pub async fn restore(app: &App, account: Uuid) -> Result<()> {
    if !app.store.restore_account(account, app.clock.now()).await? {
        return Err(gone());
    }
    app.revocations.restore(account);
    app.directory.forget(account);
    app.control.notify_one();
    Ok(())
}

fn gone() -> Error {
    Error::new(Code::NotFound, "there is no such account on this homeserver")
}
