//! Refreshing and logging out: each refresh token is spent once, and one that comes back betrays a copy of it.

use missive_wire::{Code, Timestamp};

use super::issue::{Bearer, Issued, hash, refresh_expiry, seconds};
use crate::{
    app::{App, Limit},
    error::{Error, Result},
    keys::{RefreshClaims, TokenError},
    model::{AccountRow, SessionRow},
    service::{access, sessions},
    store::{Rotation, corrupt},
};

/// So long a spent token gets its successor again: the answer may have been lost.
const GRACE_MILLIS: i64 = 15_000;

/// How far a spent token is followed to the session it once belonged to: more refreshes than a token's 30 days have
/// quarters of an hour.
const CHAIN_MAX: usize = 4_096;

/// New tokens for a refresh token.
pub async fn refresh(app: &App, token: &str) -> Result<Issued> {
    let claims = read(app, token)?;
    let account = app.store.account(claims.sub).await?.ok_or_else(ended)?;
    if account.revoked_at.is_some() {
        return Err(access::revoked());
    }
    let spent = hash(&claims.jti);
    let Some(session) = app.store.session_by_token(&spent).await? else {
        return again(app, &account, &claims).await;
    };
    let (jti, at) = (app.tokens.successor(&claims.jti), app.clock.now());
    let expires_at = refresh_expiry(at);
    let rotation = Rotation { session: session.id, spent: &spent, successor: &hash(&jti), expires_at, at };
    if app.store.rotate_session(&rotation).await? {
        bearer(&account, session)?.issue(app, jti, expires_at)
    } else {
        // The same token, refreshed at the same time by another request.
        again(app, &account, &claims).await
    }
}

/// Ends the session of a refresh token, or with `all` every session of its account.
pub async fn log_out(app: &App, token: &str, all: bool) -> Result<()> {
    let claims = read(app, token)?;
    let sessions = app.store.sessions(claims.sub).await?;
    let session = holder(app, &sessions, &claims)?;
    if all {
        sessions::announce(app, &app.store.end_all_sessions(claims.sub, app.clock.now()).await?);
        return Ok(());
    }
    end(app, session).await
}

/// A token that is spent: within the grace it gets its successor again, later its session ends.
async fn again(app: &App, account: &AccountRow, claims: &RefreshClaims) -> Result<Issued> {
    let sessions = app.store.sessions(account.id).await?;
    let session = holder(app, &sessions, claims)?;
    if was_lost(session, &claims.jti, app.clock.now()) {
        let expires_at = session.token_expires_at;
        return bearer(account, session.clone())?.issue(app, app.tokens.successor(&claims.jti), expires_at);
    }
    end(app, session).await?;
    tracing::warn!(session = %session.id, "a spent refresh token was used again; its session is ended");
    Err(ended())
}

fn was_lost(session: &SessionRow, jti: &str, now: Timestamp) -> bool {
    session.previous_token_hash.as_deref() == Some(&hash(jti))
        && session.rotated_at.is_some_and(|at| now.millis() <= at.millis() + GRACE_MILLIS)
}

/// The session whose refresh token is that one or descends from it. Following a token further than one step is work
/// that nobody with a valid one asks for: it is limited as log-ins are, by account.
fn holder<'a>(app: &App, sessions: &'a [SessionRow], claims: &RefreshClaims) -> Result<&'a SessionRow> {
    let token_hash = hash(&claims.jti);
    let is_near = |session: &&SessionRow| {
        session.token_hash == token_hash || session.previous_token_hash.as_deref() == Some(&token_hash)
    };
    if let Some(session) = sessions.iter().find(is_near) {
        return Ok(session);
    }
    app.limits.check(Limit::Login, &claims.sub)?;
    follow(app, sessions, &claims.jti).ok_or_else(ended)
}

fn follow<'a>(app: &App, sessions: &'a [SessionRow], jti: &str) -> Option<&'a SessionRow> {
    if sessions.is_empty() {
        return None;
    }
    let mut jti = jti.to_owned();
    for _ in 0..=CHAIN_MAX {
        let token_hash = hash(&jti);
        if let Some(session) = sessions.iter().find(|session| session.token_hash == token_hash) {
            return Some(session);
        }
        jti = app.tokens.successor(&jti);
    }
    None
}

async fn end(app: &App, session: &SessionRow) -> Result<()> {
    app.store.end_session(session.account, session.id, app.clock.now()).await?;
    sessions::announce(app, &[session.id]);
    Ok(())
}

fn read(app: &App, token: &str) -> Result<RefreshClaims> {
    app.tokens.verify_refresh(token, seconds(app.clock.now())).map_err(|error| match error {
        TokenError::Expired => Error::new(Code::SessionEnded, "this session has expired: log in again"),
        TokenError::Invalid => Error::new(Code::Unauthorized, "the refresh token is not valid here: log in again"),
    })
}

fn bearer(account: &AccountRow, session: SessionRow) -> Result<Bearer> {
    let SessionRow { id, device, scope, .. } = session;
    let name = account.name.parse().map_err(|_| corrupt("name"))?;
    Ok(Bearer { account: account.id, name, session: id, device, scope })
}

fn ended() -> Error {
    Error::new(Code::SessionEnded, "this session has ended: log in again")
}
