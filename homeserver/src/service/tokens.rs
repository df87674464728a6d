//! Tokens: logging in, refreshing, logging out.

mod issue;
mod purge;
mod refresh;

use std::net::IpAddr;

use missive_wire::{AccountName, Address, Code, CreateToken, Scope};
use zeroize::Zeroizing;

use super::{access, sessions};
use crate::{
    app::{App, Limit},
    error::{Error, Result},
    model::AccountRow,
    store::{SessionCreated, corrupt},
};

pub use issue::Issued;
pub(super) use issue::NewTokens;
pub use purge::{count_expired, purge_account, purge_expired};
pub use refresh::{log_out, refresh};

/// Logs in: a session of a device, with an access and a refresh token.
pub async fn create(app: &App, source: IpAddr, wanted: CreateToken) -> Result<Issued> {
    let scope = scope(wanted.scope)?;
    let device_name = sessions::device_name(wanted.device_name)?;
    let account = check(app, source, &wanted.name, wanted.password).await?;
    if account.revoked_at.is_some() {
        return Err(access::revoked());
    }
    let tokens = NewTokens::draw(app, account.id, wanted.device_id, scope)?;
    let limit = app.config.limits.sessions_per_account;
    let hash = &account.password_hash;
    match app.store.create_session(&tokens.session, hash, device_name.as_deref(), limit).await? {
        SessionCreated::Yes(ended) => {
            sessions::announce(app, &ended);
            tokens.issue(app, account.name.parse().map_err(|_| corrupt("name"))?)
        }
        SessionCreated::NoDevice => {
            let text = format!("the account has no device {}: leave deviceId out for device 1", wanted.device_id);
            Err(Error::new(Code::NotFound, text))
        }
        SessionCreated::Revoked => Err(access::revoked()),
        SessionCreated::OtherPassword | SessionCreated::Gone => Err(wrong_credentials()),
    }
}

/// Checks a password of an account of this homeserver, as a log-in does: wrong ones lock the name out for their source.
pub async fn check_password(app: &App, source: IpAddr, name: &AccountName, password: String) -> Result<AccountRow> {
    check(app, source, name.as_str(), password).await
}

/// A wrong name and a wrong password are answered alike.
pub(super) fn wrong_credentials() -> Error {
    Error::new(Code::WrongCredentials, "the name or the password is wrong")
}

async fn check(app: &App, source: IpAddr, name: &str, password: String) -> Result<AccountRow> {
    let password = Zeroizing::new(password);
    app.limits.check(Limit::Login, &source)?;
    let name = Address::parse_on(name, &app.server_name).ok().filter(|address| address.server == app.server_name);
    // Names that cannot be are one name: nobody's.
    let name = name.map_or_else(String::new, |address| address.name.to_string());
    let key = (&name, source);
    app.limits.check_lockout(&key)?;
    let account = app.store.account_by_name(&name).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let is_right = app.passwords.verify(password, hash).await?;
    // Again: guesses sent all at once learn no more than those sent one by one.
    app.limits.check_lockout(&key)?;
    if is_right && let Some(account) = account {
        app.limits.forgive(&key);
        return Ok(account);
    }
    app.limits.record_failure(&key);
    Err(wrong_credentials())
}

fn scope(wanted: Option<Vec<Scope>>) -> Result<Vec<Scope>> {
    let Some(mut scope) = wanted else { return Ok(Scope::ALL.to_vec()) };
    if scope.is_empty() {
        return Err(Error::new(Code::Malformed, "scope is empty: leave it out for every scope"));
    }
    scope.sort_unstable();
    scope.dedup();
    Ok(scope)
}
