//! Who calls, and what they may do.

use missive_wire::{AccountName, Code, Scope};

use crate::{
    app::{App, Entry, Verdict},
    error::{Error, Result},
    keys::TokenError,
    model::Access,
};

/// Reads an access token: signature, time, and that neither its session nor its account has been ended.
pub fn authenticate(app: &App, token: &str) -> Result<Access> {
    let claims = app.tokens.verify_access(token, app.clock.now().millis() / 1_000).map_err(|error| match error {
        TokenError::Expired => Error::new(Code::TokenExpired, "the access token has expired: refresh it"),
        TokenError::Invalid => Error::new(Code::Unauthorized, "the access token is not valid here: log in again"),
    })?;
    let access = Access { account: claims.sub, device: claims.did, session: claims.sid, scope: claims.scope };
    check_alive(app, &access)?;
    Ok(access)
}

/// Refuses whoever's session or account has ended since the token was made.
pub fn check_alive(app: &App, access: &Access) -> Result<()> {
    match app.revocations.verdict(access.session, access.account) {
        Verdict::Good => Ok(()),
        Verdict::SessionEnded => Err(Error::new(Code::SessionEnded, "this session has ended: log in again")),
        Verdict::AccountRevoked => Err(revoked()),
        Verdict::Unknown => Err(Error::temporary(
            Code::Unavailable,
            "the server cannot tell at the moment which sessions have ended; try again in a few seconds",
            5,
        )),
    }
}

/// Refuses a caller whose token lacks a scope.
pub fn require(access: &Access, scope: Scope) -> Result<()> {
    if access.scope.contains(&scope) {
        return Ok(());
    }
    Err(Error::new(Code::MissingScope, format!("this token lacks the scope {scope}")))
}

/// The caller's own account, which the path names: whoever names another's is refused alike whether it exists or not.
pub async fn own_by_name(app: &App, access: &Access, name: &str) -> Result<std::sync::Arc<Entry>> {
    let own = own(app, access).await?;
    match name.parse::<AccountName>() {
        Ok(name) if name == own.name => Ok(own),
        _ => Err(not_owner()),
    }
}

/// The caller's own account.
pub async fn own(app: &App, access: &Access) -> Result<std::sync::Arc<Entry>> {
    match app.directory.by_id(&app.store, access.account).await? {
        Some(entry) if entry.revoked => Err(revoked()),
        Some(entry) => Ok(entry),
        None => Err(Error::new(Code::SessionEnded, "this account has been deleted")),
    }
}

/// Someone else's account.
pub fn not_owner() -> Error {
    Error::new(Code::NotOwner, "that is another's account: a token opens only its own")
}

/// A revoked account.
pub fn revoked() -> Error {
    Error::new(Code::AccountRevoked, "this account has been revoked; its homeserver's admin can restore it")
}
