//! `account`: who is here, and who may stay.

mod show;

use homeserver::{
    app::App,
    error::Error,
    service::{accounts, admin},
    store::AccountSummary,
};
use missive_wire::{Address, Code, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::confirm::confirm;
use crate::{
    failure::Failure,
    output::{Output, count, minute, minute_or_dash, table},
};

pub(super) use show::show;

/// An account, as every command shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    id: Uuid,
    name: String,
    address: Address,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    devices: i64,
    sessions: i64,
    pending_messages: i64,
}

#[derive(Debug, Serialize)]
struct List {
    accounts: Vec<Account>,
    more: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    changed: bool,
    ended_sessions: usize,
    account: Account,
}

#[derive(Debug, Serialize)]
struct Restored {
    changed: bool,
    account: Account,
}

/// Lists accounts by name.
pub(super) async fn list(app: &App, search: Option<&str>, limit: u32, output: Output) -> Result<(), Failure> {
    let (found, more) = admin::accounts(app, search.unwrap_or_default(), limit).await?;
    let accounts = found.into_iter().map(|summary| Account::new(app, summary)).collect::<Result<_, _>>()?;
    output.print(&List { accounts, more }, describe)
}

/// Shuts an account out; again, if it is already.
pub(super) async fn revoke(app: &App, name: &str, yes: bool, output: Output) -> Result<(), Failure> {
    let before = find(app, name).await?;
    if before.revoked_at.is_none() && !yes {
        confirm_revocation(&before)?;
    }
    let ended_sessions = accounts::revoke(app, before.id).await?;
    let changed = before.revoked_at.is_none();
    let revoked = Revoked { changed, ended_sessions, account: find(app, name).await? };
    output.print(&revoked, |revoked| match before.revoked_at {
        Some(since) => format!("{} is already revoked, since {} UTC.", revoked.account.address, minute(since)),
        None => format!(
            "{} is revoked. {} ended; a running server closes its sockets and refuses its tokens within a second.",
            revoked.account.address,
            count(revoked.ended_sessions as u64, "session")
        ),
    })
}

/// Lets a revoked account log in again.
pub(super) async fn restore(app: &App, name: &str, output: Output) -> Result<(), Failure> {
    let before = find(app, name).await?;
    let changed = before.revoked_at.is_some();
    if changed {
        accounts::restore(app, before.id).await?;
    }
    let restored = Restored { changed, account: find(app, name).await? };
    output.print(&restored, |restored| {
        let address = &restored.account.address;
        if restored.changed {
            format!("{address} is restored: it can log in again.")
        } else {
            format!("{address} is not revoked; nothing to do.")
        }
    })
}

/// The account of a name or address, or a failure that says how to find it.
pub(super) async fn find(app: &App, name: &str) -> Result<Account, Failure> {
    if let Ok(address) = Address::parse_on(name, &app.server_name)
        && address.server != app.server_name
    {
        return Err(Failure::not_found(format!("{address} is not of this homeserver, which is {}", app.server_name)));
    }
    match accounts::find(app, name).await {
        Ok(summary) => Account::new(app, summary),
        Err(Error { code: Code::NotFound, message, .. }) => Err(Failure::not_found(format!(
            "{message}: `missivectl account list` shows those there are, and --search PREFIX finds one"
        ))),
        Err(error) => Err(error.into()),
    }
}

impl Account {
    fn new(app: &App, summary: AccountSummary) -> Result<Self, Failure> {
        let name =
            summary.name.parse().map_err(|_| homeserver::store::StoreError("a stored name is not valid".into()))?;
        Ok(Self {
            id: summary.id,
            address: app.address(&name),
            name: summary.name,
            created_at: summary.created_at,
            revoked_at: summary.revoked_at,
            devices: summary.devices,
            sessions: summary.sessions,
            pending_messages: summary.pending_messages,
        })
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn sessions(&self) -> u64 {
        self.sessions.unsigned_abs()
    }
}

fn confirm_revocation(account: &Account) -> Result<(), Failure> {
    confirm(&format!(
        "Revoke {}? This ends {} and gives up {} that wait for it; their senders are told.",
        account.address,
        count(account.sessions(), "session"),
        count(account.pending_messages.unsigned_abs(), "message")
    ))
}

fn describe(list: &List) -> String {
    if list.accounts.is_empty() {
        return "There is no such account.".to_owned();
    }
    let rows = list.accounts.iter().map(|account| {
        [
            account.name.clone(),
            account.address.to_string(),
            minute(account.created_at),
            minute_or_dash(account.revoked_at),
            account.devices.to_string(),
            account.sessions.to_string(),
            account.pending_messages.to_string(),
        ]
    });
    let header = ["NAME", "ADDRESS", "CREATED (UTC)", "REVOKED (UTC)", "DEVICES", "SESSIONS", "PENDING"];
    let more = if list.more { "\n\nThere are more: use --limit, or --search." } else { "" };
    format!("{}{more}", table(header, rows))
}
