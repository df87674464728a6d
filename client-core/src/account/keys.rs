//! Keeping the published keys and this device's keys the same.

use missive_wire::{Address, ClaimedBundle, Code, KeyCount, KeyUpload, StartOver};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};

use super::session::Session;
use crate::{Error, chat::Mailbox, fault, signal::ONE_TIME_KEYS};

/// The kinds of keys whose ids rise by themselves, and one more try.
const KINDS: u32 = 5;

/// No device comes to a higher key id in its life; there must be room above it.
const KEY_ID_MAX: u32 = u32::MAX / 2;

/// Below this many one-time keys of a kind, more are made: more than homeservers keep back from each other, who would get
/// none of the last ones.
const LOW: u64 = 50;

/// Compares what is published with what this device has, and publishes what is missing. Fails with
/// [`Error::IdentityReplaced`] when the published identity is not ours: nothing may be received then.
pub(crate) async fn reconcile(session: &Session, mailbox: &Mailbox) -> Result<(), Error> {
    let _turn = mailbox.publishing().await;
    compare(session, mailbox).await
}

async fn compare(session: &Session, mailbox: &Mailbox) -> Result<(), Error> {
    let name = session.profile.address.name.as_str();
    let count: KeyCount = session.ask(Method::GET, &["users", name, "keys", "count"]).await?;
    let own = mailbox.identity_key().await?;
    match (&own, &count.identity_key) {
        // A crash may have come between the homeserver's taking a new identity and our hearing of it.
        (_, Some(published)) if own.as_ref() != Some(&published.0) && mailbox.take_up(&published.0).await? => {}
        (_, Some(published)) if own.as_ref() != Some(&published.0) => return Err(Error::IdentityReplaced),
        (None, _) => mailbox.install().await?,
        _ => {}
    }
    if mailbox.pending_upload().await?.is_some() {
        publish(session, mailbox).await?;
        // What was pending may have been there already; count again.
        return Box::pin(compare(session, mailbox)).await;
    }
    if mailbox.rotate().await? {
        return publish(session, mailbox).await;
    }
    let digest = mailbox.digest().await?;
    if count.digest.is_none_or(|published| published.0 != digest) {
        if !mailbox.may_renew().await? {
            return Err(Error::UnexpectedAnswer("it does not keep the keys that this device publishes".to_owned()));
        }
        mailbox.renew(0).await?;
        return publish(session, mailbox).await;
    }
    replenish(session, mailbox, count.pre_keys, count.pq_pre_keys).await
}

/// Publishes more one-time keys where few are left.
async fn replenish(session: &Session, mailbox: &Mailbox, ec: u64, kyber: u64) -> Result<(), Error> {
    let missing = |left: u64| {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        if u64::from(left) < LOW { ONE_TIME_KEYS.saturating_sub(left) } else { 0 }
    };
    let (ec, kyber) = (missing(ec), missing(kyber));
    if ec == 0 && kyber == 0 {
        return Ok(());
    }
    mailbox.top_up(ec, kyber).await?;
    publish(session, mailbox).await
}

/// Publishes new keys in the place of those of a lost device.
pub(crate) async fn start_over(
    session: &Session,
    mailbox: &Mailbox,
    password: &SecretString,
    totp: Option<String>,
) -> Result<(), Error> {
    let _turn = mailbox.publishing().await;
    // The homeserver may have taken an earlier try whose answer was lost: the same again does no harm, another one would
    // leave it with keys that nobody has.
    let new = match mailbox.aside().await? {
        Some(new) => new,
        None => mailbox.generate()?,
    };
    let password = password.expose_secret().to_owned();
    mailbox.set_aside(&new).await?;
    let body = StartOver { password, totp, keys: new.upload.clone() };
    let name = session.profile.address.name.as_str();
    fault::point("identity-set-aside");
    session.call(Method::POST, &["users", name, "identity"], Some(&body)).await?;
    fault::point("identity-published");
    mailbox.replace(new, true).await
}

/// Claims the keys of an account and builds sessions with its devices.
pub(crate) async fn claim(session: &Session, mailbox: &Mailbox, address: &Address) -> Result<(), Error> {
    let claimed = session.ask::<ClaimedBundle>(Method::GET, &["users", &address.to_string(), "keys"]).await;
    let bundle = claimed.map_err(|error| match error {
        Error::Refused { code: Code::NotFound | Code::NoKeys | Code::ReceiverGone, .. } => {
            Error::UnknownReceiver(address.clone())
        }
        error => error,
    })?;
    fault::point("keys-claimed");
    mailbox.learn_bundle(address, &bundle).await?;
    fault::point("session-stored");
    Ok(())
}

/// Publishes what is pending. Where the server has seen its ids, it is made anew above them.
async fn publish(session: &Session, mailbox: &Mailbox) -> Result<(), Error> {
    let Some(upload) = mailbox.pending_upload().await? else { return Ok(()) };
    fault::point("keys-made");
    let mut tries = 1;
    let mut posted = post(session, &upload).await;
    // The homeserver names one kind of key at a time.
    while let Err(Error::Refused { code: Code::KeyIdReused, highest_key_id, .. }) = posted
        && tries < KINDS
    {
        let highest = highest_key_id.unwrap_or(0);
        if highest > KEY_ID_MAX {
            return Err(Error::UnexpectedAnswer("it names a key id that nobody has used".to_owned()));
        }
        mailbox.renew(highest).await?;
        let Some(upload) = mailbox.pending_upload().await? else { return Ok(()) };
        posted = post(session, &upload).await;
        tries += 1;
    }
    posted?;
    fault::point("keys-published");
    mailbox.upload_done().await
}

async fn post(session: &Session, upload: &KeyUpload) -> Result<(), Error> {
    let name = session.profile.address.name.as_str();
    session.call(Method::POST, &["users", name, "keys"], Some(upload)).await.map(drop)
}
