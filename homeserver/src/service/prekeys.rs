//! Pre-keys: what devices publish, and what others claim of it. Public keys only.

mod body;
mod check;
mod claim;
mod digest;
mod elsewhere;

use missive_wire::{Code, KeyCount, KeyUpload, SignedKeyRotation, StartOver};

use crate::{
    app::App,
    error::{Error, Result},
    model::{Access, DeviceKey},
    service::{access, sessions, tokens},
};

pub use check::{check_identity_key, check_registration_id};
pub use claim::{claim, claim_for};

/// Publishes keys of the calling device, all or nothing; the same body again is no error. Returns what is there now.
pub async fn publish(app: &App, access: &Access, name: &str, body: &[u8]) -> Result<KeyCount> {
    access::own_by_name(app, access, name).await?;
    let device = access.device_key();
    let upload: KeyUpload = body::read(body)?;
    let hash = digest::of_request("publish", body);
    let published = app.store.published_keys(device).await?.ok_or_else(|| refused(Code::SessionEnded, None))?;
    if published.last_upload_hash.as_deref() == Some(&hash[..]) {
        return count_of(app, device).await;
    }
    check::check_members(&upload, published.is_published())?;
    let identity = same_identity(published.identity_key, &upload)?;
    let (identity, upload) = check_apart(identity, upload).await?;
    let outcome = app.store.publish_keys(device, &identity, &upload, &hash, app.clock.now()).await?;
    let first = outcome.map_err(|refusal| refused(refusal.code, refusal.highest_key_id))?;
    if first {
        app.control.notify_one();
        app.directory.forget(device.account);
    }
    count_of(app, device).await
}

/// Replaces lasting keys of the calling device; the same body again is no error. Returns what is there now.
pub async fn rotate(app: &App, access: &Access, name: &str, body: &[u8]) -> Result<KeyCount> {
    access::own_by_name(app, access, name).await?;
    let device = access.device_key();
    let rotation: SignedKeyRotation = body::read(body)?;
    let SignedKeyRotation { signed_pre_key, pq_last_resort_pre_key } = rotation;
    let keys = KeyUpload { signed_pre_key, pq_last_resort_pre_key, ..KeyUpload::default() };
    check::check_members(&keys, true)?;
    let hash = digest::of_request("rotate", body);
    let published = app.store.published_keys(device).await?.ok_or_else(|| refused(Code::SessionEnded, None))?;
    let identity = match published.identity_key {
        Some(identity) if published.signed_pre_key.is_some() => identity,
        _ => return Err(Error::new(Code::NoKeys, "this device has published no keys yet: publish them first")),
    };
    let (identity, keys) = check_apart(identity, keys).await?;
    let outcome = app.store.rotate_keys(device, &identity, &keys, &hash).await?;
    outcome.map_err(|refusal| refused(refusal.code, refusal.highest_key_id))?;
    count_of(app, device).await
}

/// Starts over with a new identity key, as after the loss of a device: everything that belongs to the old one goes.
/// `source` is whom failed passwords count against. Returns what is there now.
pub async fn start_over(
    app: &App,
    access: &Access,
    source: std::net::IpAddr,
    name: &str,
    body: &[u8],
) -> Result<KeyCount> {
    let own = access::own_by_name(app, access, name).await?;
    let device = access.device_key();
    let StartOver { password, totp: _, keys } = body::read(body)?;
    check::check_members(&keys, false)?;
    tokens::check_password(app, source, &own.name, password).await?;
    // The hash leaves the password out: what is kept must not help to guess it.
    let hash = digest::of_request("identity", &serde_json::to_vec(&keys).map_err(Error::internal)?);
    let identity = keys.identity_key.as_ref().map(|key| key.0.clone()).unwrap_or_default();
    let (identity, keys) = check_apart(identity, keys).await?;
    let address = app.address(&own.name);
    let new = (&identity[..], &keys, &hash[..]);
    let outcome = app.store.start_over(device, access.session, &address, new, app.clock.now()).await?;
    let ended = outcome.map_err(|refusal| refused(refusal.code, refusal.highest_key_id))?;
    app.directory.forget(device.account);
    sessions::announce(app, &ended);
    count_of(app, device).await
}

/// How many one-time keys the calling device has left, and what it has published.
pub async fn count(app: &App, access: &Access, name: &str) -> Result<KeyCount> {
    access::own_by_name(app, access, name).await?;
    count_of(app, access.device_key()).await
}

async fn count_of(app: &App, device: DeviceKey) -> Result<KeyCount> {
    let published = app.store.published_keys(device).await?.ok_or_else(|| refused(Code::SessionEnded, None))?;
    let (pre_keys, pq_pre_keys) = app.store.count_keys(device).await?;
    let digest = digest::of_published(
        published.identity_key.as_deref(),
        published.registration_id,
        published.signed_pre_key.as_ref(),
        published.pq_last_resort_pre_key.as_ref(),
    );
    let identity_key = published.identity_key.map(missive_wire::Base64);
    Ok(KeyCount { pre_keys, pq_pre_keys, identity_key, digest })
}

/// The identity key that an upload is signed with: the published one, which an upload may name but not change.
fn same_identity(stored: Option<Vec<u8>>, upload: &KeyUpload) -> Result<Vec<u8>> {
    match (stored, upload.identity_key.as_ref().map(|key| &key.0)) {
        (Some(stored), Some(given)) if stored != *given => Err(refused(Code::IdentityChanged, None)),
        (Some(stored), _) => Ok(stored),
        (None, given) => Ok(given.cloned().unwrap_or_default()),
    }
}

/// Checks keys away from the threads that relay messages: some hundred signatures take tens of milliseconds.
async fn check_apart(identity: Vec<u8>, upload: KeyUpload) -> Result<(Vec<u8>, KeyUpload)> {
    let checked = tokio::task::spawn_blocking(move || {
        check::check_upload(&identity, &upload)?;
        Ok((identity, upload))
    });
    checked.await.map_err(Error::internal)?
}

/// What the store refused, in a sentence.
fn refused(code: Code, highest_key_id: Option<u32>) -> Error {
    let text = match (code, highest_key_id) {
        (Code::KeyIdReused, Some(highest)) => format!(
            "key ids rise, and {highest} has been published: a new key of that kind needs a higher id, however old the \
             other is"
        ),
        (Code::IdentityChanged, _) => {
            "this account has published another identity key or registration id: publish with \
             those, or start over with POST /api/v1/users/{name}/identity"
                .to_owned()
        }
        (Code::TooManyKeys, _) => {
            "a device stores at most 1,000 one-time keys of a kind: wait until some are claimed".to_owned()
        }
        (Code::InvalidKey, _) => "starting over needs a new identity key, and this one is published already".to_owned(),
        (Code::SessionEnded, _) => "this device has been removed: log in again".to_owned(),
        (Code::ReceiverGone, _) => "that account has been revoked: it takes no messages".to_owned(),
        (Code::Malformed, _) => "another claim has had this id: choose a new one for each".to_owned(),
        (Code::NoKeys, _) => "that account has published no keys yet: nobody can write to it".to_owned(),
        _ => "there is no such account here".to_owned(),
    };
    let mut error = Error::new(code, text);
    error.details.highest_key_id = highest_key_id;
    error
}
