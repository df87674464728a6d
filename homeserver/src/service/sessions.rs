//! Sessions: what the holder of an account, and an admin, see and end of them.

use missive_wire::{Code, Session, Sessions};
use uuid::Uuid;

use super::accounts;
use crate::{
    app::App,
    error::{Error, Result},
    model::{Access, SessionRow},
};

/// The longest name of a device.
const DEVICE_NAME_MAX_CHARS: usize = 64;

/// The sessions of the own account that can still refresh their tokens.
pub async fn list(app: &App, access: &Access, id: &str) -> Result<Sessions> {
    let own = accounts::own_by_id(app, access, id).await?;
    let rows = app.store.sessions(own.account).await?;
    let now = app.clock.now();
    let alive = rows.into_iter().filter(|row| row.token_expires_at > now);
    Ok(Sessions { sessions: alive.map(|row| session(row, access)).collect() })
}

/// Ends a session of the own account.
pub async fn end(app: &App, access: &Access, id: &str, session: &str) -> Result<()> {
    let own = accounts::own_by_id(app, access, id).await?;
    let session = session.parse().map_err(|_| unknown())?;
    if !app.store.end_session(own.account, session, app.clock.now()).await? {
        return Err(unknown());
    }
    announce(app, &[session]);
    Ok(())
}

/// Ended sessions count no more here from now on, and elsewhere as soon as the events are read.
pub(super) fn announce(app: &App, ended: &[Uuid]) {
    for session in ended {
        app.revocations.end_session(*session);
    }
    app.control.notify_one();
}

/// What a device is to be called.
pub(super) fn device_name(name: Option<String>) -> Result<Option<String>> {
    let Some(name) = name else { return Ok(None) };
    let chars = name.chars().count();
    if name.trim().is_empty() || chars > DEVICE_NAME_MAX_CHARS || name.chars().any(char::is_control) {
        let text = format!("deviceName has 1 to {DEVICE_NAME_MAX_CHARS} characters, none of them a control character");
        return Err(Error::new(Code::Malformed, text));
    }
    Ok(Some(name.trim().to_owned()))
}

fn session(row: SessionRow, access: &Access) -> Session {
    Session {
        id: row.id,
        device_id: row.device,
        device_name: row.device_name,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        current: row.id == access.session,
    }
}

fn unknown() -> Error {
    Error::new(Code::NotFound, "this account has no such session; it may have ended already")
}
