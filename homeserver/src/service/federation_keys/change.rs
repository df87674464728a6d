//! Making, replacing and revoking federation keys. Every change is one commit, and told to every server.

use missive_wire::{Code, SIGNED_BY_RECOVERY, Timestamp};

use super::{KeySummary, list, reload};
use crate::{
    app::App,
    error::{Error, Result},
    keys::federation::{KeyRing, NOTICE_MILLIS, OwnKey, RecoveryKey, issue, revocation_statement, sign_for},
    model::{FederationKeyRow, NewRevocation},
};

/// How often a revocation is tried again when another process changes the keys at the same moment.
const TRIES: usize = 5;

/// Who says that a new key is this server's.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'a> {
    /// The newest key.
    Newest,
    /// The recovery key, which overrides what the keys say.
    Recovery(&'a RecoveryKey),
}

/// What a revocation did.
#[derive(Debug)]
pub struct Revoked {
    /// Whether the key was not revoked before.
    pub changed: bool,
    /// The revoked key.
    pub key: KeySummary,
    /// The key that was made in its place, if the newest one rested on it.
    pub successor: Option<KeySummary>,
}

/// Makes the next key. Without `valid_from` it signs as soon as everyone can know it.
pub async fn rotate(app: &App, signer: Signer<'_>, valid_from: Option<Timestamp>) -> Result<KeySummary> {
    reload(app).await?;
    let (ring, now) = (app.federation_keys.ring(), app.clock.now());
    if valid_from.is_some_and(|from| from < now) {
        return Err(Error::new(Code::Malformed, format!("a key cannot begin in the past; it is {now} now")));
    }
    let row = match signer {
        Signer::Newest => signed_by_newest(app, &ring, valid_from.unwrap_or_else(|| after_notice(now)))?,
        Signer::Recovery(recovery) => {
            check_recovery(&ring, recovery)?;
            // Where nothing signs, there is nothing to wait for.
            let soon = if ring.signing(now).is_some() { after_notice(now) } else { now };
            signed_by_recovery(app, &ring, recovery, valid_from.unwrap_or(soon))?
        }
    };
    if !app.store.change_federation_keys(Some(&row), None, now).await? {
        let text = "another process has just made a key: look at the list, and try again if you still want one";
        return Err(Error::temporary(Code::Unavailable, text, 1));
    }
    announce(app).await?;
    find(app, &row.id)
}

/// Revokes a key for good. If the newest key is that one or got its trust from it, a new one takes its place at once.
pub async fn revoke(app: &App, id: &str, recovery: &RecoveryKey) -> Result<Revoked> {
    for _ in 0..TRIES {
        reload(app).await?;
        let (ring, now) = (app.federation_keys.ring(), app.clock.now());
        check_recovery(&ring, recovery)?;
        if find(app, id)?.revoked_at.is_some() {
            return Ok(Revoked { changed: false, key: find(app, id)?, successor: None });
        }
        let statement = revocation_statement(app.server_name.as_str(), id, now);
        let signature = recovery.sign(statement.as_bytes()).to_vec();
        let revocation = NewRevocation { key_id: id.to_owned(), revoked_at: now, signature };
        let successor = if ring.rests_on(id) { Some(signed_by_recovery(app, &ring, recovery, now)?) } else { None };
        if app.store.change_federation_keys(successor.as_ref(), Some(&revocation), now).await? {
            announce(app).await?;
            let successor = successor.map(|row| find(app, &row.id)).transpose()?;
            return Ok(Revoked { changed: true, key: find(app, id)?, successor });
        }
    }
    Err(Error::temporary(Code::Unavailable, "other processes keep changing the keys: try again", 1))
}

/// Stores and publishes the public half of the recovery key. There is only ever one: peers hold on to the first.
pub async fn add_recovery_key(app: &App, recovery: &RecoveryKey) -> Result<()> {
    if !app.store.add_recovery_key(&recovery.public(), app.clock.now()).await? {
        return Err(there_is_one());
    }
    announce(app).await
}

/// Why a second recovery key is refused.
pub fn there_is_one() -> Error {
    let text = "this homeserver has a recovery key already: other servers hold on to the first that they saw";
    Error::new(Code::Refused, text)
}

fn signed_by_newest(app: &App, ring: &KeyRing, valid_from: Timestamp) -> Result<FederationKeyRow> {
    let newest = ring.newest().ok_or_else(|| Error::internal(anyhow::anyhow!("there is no federation key")))?;
    let (begins, ends) = (newest.row.valid_from, newest.row.valid_until);
    let refused = |text: String| Error::new(Code::Refused, text);
    if valid_from <= begins || valid_from >= ends {
        let id = &newest.row.id;
        let text =
            format!("a key cannot begin at {valid_from}: {id}, which signs for it, is valid from {begins} to {ends}");
        return Err(refused(text));
    }
    let Some(pair) = &newest.pair else {
        return Err(refused(format!("the private half of {} is gone: use the recovery key", newest.row.id)));
    };
    let row = issue(newest.row.position + 1, valid_from, &app.master_key, &app.clock).map_err(Error::internal)?;
    Ok(sign_for(row, app.server_name.as_str(), pair.id(), |lines| pair.sign(lines)))
}

/// Of keys that the recovery key signed for, the one that begins last overrides: it must be this one.
fn signed_by_recovery(
    app: &App,
    ring: &KeyRing,
    recovery: &RecoveryKey,
    valid_from: Timestamp,
) -> Result<FederationKeyRow> {
    let before = ring.keys().iter().filter(|key| key.has_recovered()).map(|key| key.row.valid_from.millis() + 1).max();
    let valid_from = before.map_or(valid_from, |before| valid_from.max(Timestamp::from_millis(before)));
    let position = ring.newest().map_or(1, |newest: &OwnKey| newest.row.position + 1);
    let row = issue(position, valid_from, &app.master_key, &app.clock).map_err(Error::internal)?;
    Ok(sign_for(row, app.server_name.as_str(), SIGNED_BY_RECOVERY, |lines| recovery.sign(lines)))
}

fn check_recovery(ring: &KeyRing, recovery: &RecoveryKey) -> Result<()> {
    match ring.recovery_key() {
        None => Err(Error::new(
            Code::Refused,
            "this homeserver has no recovery key: `missivectl federation recovery-key create` makes one",
        )),
        Some(public) if public == recovery.public() => Ok(()),
        Some(_) => Err(Error::new(
            Code::Refused,
            "this is not the recovery key that this homeserver has published: other servers would not believe it",
        )),
    }
}

async fn announce(app: &App) -> Result<()> {
    reload(app).await?;
    app.control.notify_one();
    Ok(())
}

fn find(app: &App, id: &str) -> Result<KeySummary> {
    let found = list(app).into_iter().find(|summary| summary.key.key_id == id);
    found.ok_or_else(|| Error::new(Code::NotFound, format!("there is no federation key {id:?}")))
}

fn after_notice(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.millis() + NOTICE_MILLIS)
}
