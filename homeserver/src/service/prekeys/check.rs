//! Which keys are taken: public, of the right kind, canonical, and signed by the identity key where they must be.

use std::collections::HashSet;

use libsignal_core::curve::PublicKey;
use missive_wire::{ClaimedBundle, Code, KeyUpload, ONE_TIME_KEYS_PER_UPLOAD, SignedPreKey};

use crate::error::{Error, Result};

/// A type byte, then a Curve25519 point.
const EC_BYTES: usize = 33;
const EC_TYPE: u8 = 0x05;

/// A type byte, then a Kyber-1024 public key.
const PQ_BYTES: usize = 1_569;
const PQ_TYPE: u8 = 0x08;

/// `XEdDSA`.
const SIGNATURE_BYTES: usize = 64;

/// The most devices of an account: as many as there are device ids.
const DEVICES_MAX: usize = 127;

/// libsignal draws registration ids from these.
const REGISTRATION_IDS: std::ops::RangeInclusive<u32> = 1..=16_380;

/// Refuses what is no identity key.
pub fn check_identity_key(key: &[u8]) -> Result<()> {
    ec_key("identityKey", key).map(drop)
}

/// Refuses what is no registration id.
pub fn check_registration_id(id: u32) -> Result<()> {
    if REGISTRATION_IDS.contains(&id) {
        return Ok(());
    }
    Err(invalid("registrationId", "it is a number from 1 to 16380"))
}

/// Refuses an upload with nothing in it; unless it may be partial, as after a device's first one, also one that lacks
/// something owed.
pub(super) fn check_members(upload: &KeyUpload, may_be_partial: bool) -> Result<()> {
    let owed = [
        ("identityKey", upload.identity_key.is_some()),
        ("registrationId", upload.registration_id.is_some()),
        ("signedPreKey", upload.signed_pre_key.is_some()),
        ("pqLastResortPreKey", upload.pq_last_resort_pre_key.is_some()),
    ];
    let missing = owed.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect::<Vec<_>>();
    let text = match may_be_partial {
        true if *upload == KeyUpload::default() => "there are no keys in the upload".to_owned(),
        false if !missing.is_empty() => format!("a whole upload is owed, and this one lacks {}", missing.join(", ")),
        _ => return Ok(()),
    };
    Err(Error::new(Code::Malformed, text))
}

/// Checks all that can be checked without the database. `identity` is the account's identity key.
pub(super) fn check_upload(identity: &[u8], upload: &KeyUpload) -> Result<()> {
    if upload.pre_keys.len().max(upload.pq_pre_keys.len()) > ONE_TIME_KEYS_PER_UPLOAD {
        let text = format!("a request takes at most {ONE_TIME_KEYS_PER_UPLOAD} one-time keys of a kind");
        return Err(Error::new(Code::TooManyKeys, text));
    }
    check_unique("preKeys", "keyId", upload.pre_keys.iter().map(|key| key.key_id))?;
    check_unique("pqPreKeys", "keyId", upload.pq_pre_keys.iter().map(|key| key.key_id))?;
    let identity = ec_key("identityKey", identity)?;
    upload.registration_id.map_or(Ok(()), check_registration_id)?;
    for key in &upload.pre_keys {
        ec_key("preKeys", &key.public_key.0)?;
    }
    if let Some(key) = &upload.signed_pre_key {
        ec_key("signedPreKey", &key.public_key.0)?;
        check_signature("signedPreKey", &identity, key)?;
    }
    let last_resort = upload.pq_last_resort_pre_key.iter().map(|key| ("pqLastResortPreKey", key));
    for (what, key) in last_resort.chain(upload.pq_pre_keys.iter().map(|key| ("pqPreKeys", key))) {
        check_pq_key(what, &key.public_key.0)?;
        check_signature(what, &identity, key)?;
    }
    Ok(())
}

/// Checks the keys of an account of another homeserver as strictly as an upload.
pub(super) fn check_bundle(bundle: &ClaimedBundle) -> Result<()> {
    if !(1..=DEVICES_MAX).contains(&bundle.devices.len()) {
        return Err(invalid("devices", &format!("an account has 1 to {DEVICES_MAX} of them")));
    }
    check_unique("devices", "deviceId", bundle.devices.iter().map(|device| device.device_id.get().into()))?;
    let identity = ec_key("identityKey", &bundle.identity_key.0)?;
    for device in &bundle.devices {
        check_registration_id(device.registration_id)?;
        ec_key("signedPreKey", &device.signed_pre_key.public_key.0)?;
        check_signature("signedPreKey", &identity, &device.signed_pre_key)?;
        if let Some(key) = &device.pre_key {
            ec_key("preKey", &key.public_key.0)?;
        }
        check_pq_key("pqPreKey", &device.pq_pre_key.public_key.0)?;
        check_signature("pqPreKey", &identity, &device.pq_pre_key)?;
    }
    Ok(())
}

fn check_unique(what: &str, id_name: &str, ids: impl Iterator<Item = u32>) -> Result<()> {
    let mut seen = HashSet::new();
    match ids.into_iter().find(|id| !seen.insert(*id)) {
        Some(id) => Err(invalid(what, &format!("the {id_name} {id} stands there twice"))),
        None => Ok(()),
    }
}

fn ec_key(what: &str, key: &[u8]) -> Result<PublicKey> {
    check_length(what, key, EC_BYTES)?;
    if key.first() != Some(&EC_TYPE) {
        return Err(invalid(what, "an EC public key begins with the type 0x05"));
    }
    // A point of small order would make every agreement with it the same, whatever the other key.
    match PublicKey::deserialize(key) {
        Ok(key) if key.is_canonical() => Ok(key),
        _ => Err(invalid(what, "the key is no canonical Curve25519 point")),
    }
}

fn check_pq_key(what: &str, key: &[u8]) -> Result<()> {
    check_length(what, key, PQ_BYTES)?;
    if key.first() != Some(&PQ_TYPE) {
        return Err(invalid(what, "a Kyber-1024 public key begins with the type 0x08"));
    }
    Ok(())
}

/// A key that is too long may be a pair or a whole record, with the private key in it.
fn check_length(what: &str, key: &[u8], bytes: usize) -> Result<()> {
    match key.len() {
        len if len > bytes => Err(Error::new(
            Code::PrivateKey,
            format!("{what}: {len} bytes could hold a private key, a public one has {bytes}; nothing was kept"),
        )),
        len if len < bytes => Err(invalid(what, &format!("a public key has {bytes} bytes with its type, not {len}"))),
        _ => Ok(()),
    }
}

fn check_signature(what: &str, identity: &PublicKey, key: &SignedPreKey) -> Result<()> {
    let signed =
        key.signature.0.len() == SIGNATURE_BYTES && identity.verify_signature(&key.public_key.0, &key.signature.0);
    if signed {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidSignature,
        format!("{what}: the identity key does not verify the signature of key {} over its public key", key.key_id),
    ))
}

fn invalid(what: &str, why: &str) -> Error {
    Error::new(Code::InvalidKey, format!("{what}: {why}"))
}
