//! Searching the directory as one types.

use std::sync::Arc;

use missive_wire::{AccountName, Address, Code, FoundAccount, FoundAccounts};

use crate::{
    app::{App, Limit},
    error::{Error, Result},
    model::{Access, AccountRow},
    service::{access, remote_users},
    store::corrupt,
};

/// The most accounts in one answer.
const PAGE: usize = 20;

/// Accounts of this homeserver whose names begin with `search`, behind `after`; an exact `name@server` finds that one,
/// also elsewhere. Never the caller, and no revoked account.
pub async fn search(app: &Arc<App>, caller: &Access, search: &str, after: Option<&str>) -> Result<FoundAccounts> {
    access::own(app, caller).await?;
    app.limits.check(Limit::Search, &caller.account)?;
    let search = search.trim().to_ascii_lowercase();
    let mut rows = match search.split_once('@') {
        Some((name, server)) if server == app.server_name.as_str() => exact(app, caller, name).await?,
        Some(_) => return elsewhere(app, caller, &search).await,
        None => by_prefix(app, caller, &search, after.unwrap_or_default()).await?,
    };
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    Ok(FoundAccounts { users: rows.iter().map(|row| found(app, row)).collect::<Result<_>>()?, more })
}

async fn exact(app: &App, caller: &Access, name: &str) -> Result<Vec<AccountRow>> {
    // What is no name finds nobody; PostgreSQL would not even take some of it.
    let Ok(name) = name.parse::<AccountName>() else { return Ok(Vec::new()) };
    let row = app.store.account_by_name(name.as_str()).await?;
    Ok(row.into_iter().filter(|row| row.id != caller.account && row.revoked_at.is_none()).collect())
}

/// Half a server's name is nobody's.
async fn elsewhere(app: &Arc<App>, caller: &Access, search: &str) -> Result<FoundAccounts> {
    let mut users = Vec::new();
    if let Ok(address) = search.parse::<Address>()
        && remote_users::exists(app, caller.account, &address).await?
    {
        users.push(FoundAccount { id: None, name: address.name.clone(), address });
    }
    Ok(FoundAccounts { users, more: false })
}

async fn by_prefix(app: &App, caller: &Access, prefix: &str, after: &str) -> Result<Vec<AccountRow>> {
    if !after.is_empty() && after.parse::<AccountName>().is_err() {
        return Err(Error::new(Code::Malformed, "after is the last name of the page before"));
    }
    // What cannot begin a name finds nobody; nothing typed yet is no wish to see everyone.
    if prefix.parse::<AccountName>().is_err() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    Ok(app.store.search_accounts(prefix, &after.to_ascii_lowercase(), caller.account, limit).await?)
}

fn found(app: &App, row: &AccountRow) -> Result<FoundAccount> {
    let name: AccountName = row.name.parse().map_err(|_| corrupt("name"))?;
    let address = app.address(&name);
    Ok(FoundAccount { id: Some(row.id), name, address })
}
