//! What lies on the disk is sealed: bodies by XChaCha20-Poly1305, names by a keyed hash.

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::StorageError;

const NONCE_LENGTH: usize = 24;

/// 32 secret bytes; overwritten when dropped.
pub(crate) type SecretKey = Zeroizing<[u8; 32]>;

/// The keyed hash of a row's key or group: equal for equal names, and telling nothing else.
pub(crate) type Hash = [u8; 32];

/// Seals and opens rows with keys derived from the namespace's data key.
pub(crate) struct Sealer {
    bodies: XChaCha20Poly1305,
    names: SecretKey,
}

impl Sealer {
    pub(crate) fn new(data_key: &SecretKey) -> Self {
        let bodies = derive(data_key, b"missive row bodies");
        Self { bodies: cipher(&bodies), names: derive(data_key, b"missive row names") }
    }

    /// The hash under which a name is found.
    pub(crate) fn hash(&self, table: u8, name: &[u8]) -> Hash {
        mac(&self.names, &[&[table], name])
    }

    pub(crate) fn seal(&self, associated: &[u8], body: &[u8]) -> Result<Vec<u8>, StorageError> {
        seal(&self.bodies, associated, body)
    }

    pub(crate) fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StorageError> {
        open(&self.bodies, associated, sealed).ok_or(StorageError::Damaged("a row does not authenticate"))
    }
}

/// Random secret bytes from the operating system.
pub(crate) fn random_key() -> Result<SecretKey, StorageError> {
    let mut key = SecretKey::default();
    fill_random(&mut *key)?;
    Ok(key)
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), StorageError> {
    OsRng.try_fill_bytes(bytes).map_err(|_| StorageError::Randomness)
}

pub(crate) fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(&key[..]))
}

/// A random nonce, then the ciphertext.
pub(crate) fn seal(cipher: &XChaCha20Poly1305, aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, StorageError> {
    let mut nonce = [0; NONCE_LENGTH];
    fill_random(&mut nonce)?;
    let sealed = cipher
        .encrypt(XNonce::from_slice(&nonce), Payload { msg, aad })
        .map_err(|_| StorageError::Damaged("a row is too large to seal"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

pub(crate) fn open(cipher: &XChaCha20Poly1305, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, msg) = sealed.split_at_checked(NONCE_LENGTH)?;
    cipher.decrypt(XNonce::from_slice(nonce), Payload { msg, aad }).ok().map(Zeroizing::new)
}

fn derive(key: &SecretKey, purpose: &[u8]) -> SecretKey {
    Zeroizing::new(mac(key, &[purpose]))
}

fn mac(key: &SecretKey, parts: &[&[u8]]) -> Hash {
    // HMAC takes a key of any length; the fallback is never taken.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&key[..]) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
