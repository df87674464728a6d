//! What only an admin's commands look at, over all accounts.

use uuid::Uuid;

use super::accounts;
use crate::{
    app::App,
    error::Result,
    model::SessionRow,
    store::{AccountSummary, Counts, DeviceSummary},
};

/// How much there is.
pub async fn counts(app: &App) -> Result<Counts> {
    Ok(app.store.counts().await?)
}

/// Accounts whose names begin with `prefix`, in their order, at most `limit`; and whether there are more.
pub async fn accounts(app: &App, prefix: &str, limit: u32) -> Result<(Vec<AccountSummary>, bool)> {
    let prefix = prefix.to_ascii_lowercase();
    // The one of just that name comes before those that only begin with it, and is not behind it.
    let exact = app.store.account_summary(&prefix).await?;
    let behind = accounts::list(app, &prefix, limit.saturating_add(1)).await?;
    let mut found: Vec<_> = exact.into_iter().chain(behind).filter(|one| one.name.starts_with(&prefix)).collect();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > wanted;
    found.truncate(wanted);
    Ok((found, more))
}

/// The devices of an account.
pub async fn devices(app: &App, account: Uuid) -> Result<Vec<DeviceSummary>> {
    Ok(app.store.device_summaries(account).await?)
}

/// The sessions of an account, the last used first.
pub async fn sessions(app: &App, account: Uuid) -> Result<Vec<SessionRow>> {
    Ok(app.store.sessions(account).await?)
}
