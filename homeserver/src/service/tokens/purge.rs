//! Purging: sessions that nobody can refresh any more, or those of one account.

use uuid::Uuid;

use crate::{app::App, service::sessions, store::Result};

/// How many sessions [`purge_expired`] would delete.
pub async fn count_expired(app: &App) -> Result<u64> {
    Ok(app.store.count_expired_sessions(app.clock.now()).await?.unsigned_abs())
}

/// Deletes the sessions whose refresh token has expired; returns how many.
pub async fn purge_expired(app: &App) -> Result<usize> {
    let ended = app.store.end_expired_sessions(app.clock.now()).await?;
    sessions::announce(app, &ended);
    Ok(ended.len())
}

/// Ends every session of an account; returns how many.
pub async fn purge_account(app: &App, account: Uuid) -> Result<usize> {
    let ended = app.store.end_all_sessions(account, app.clock.now()).await?;
    sessions::announce(app, &ended);
    Ok(ended.len())
}
