//! The master key: 32 random bytes in a file, created at the first start. It seals the server's private keys in the
//! database, so that a stolen database is not a stolen server.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::clock::Clock;

const NONCE_BYTES: usize = 24;

/// The key that seals the server's own secrets.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why there is no usable master key; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The database was made with a key that is not here.
    #[error(
        "the master key file {0} is missing, but the database was made with one: \
         put the file back from your backup, or set master_key_file to where it is"
    )]
    Missing(PathBuf),
    /// The file could not be read or made.
    #[error("the master key file {0} cannot be used: {1}")]
    File(PathBuf, std::io::Error),
    /// The file's text is no key.
    #[error("the master key file {0} does not hold 32 bytes in base64 (44 characters)")]
    Malformed(PathBuf),
    /// The key is not the one that sealed the database.
    #[error("the master key does not fit the database: set master_key_file to the key this database was made with")]
    Wrong,
    /// No random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

impl MasterKey {
    /// Reads the file, or makes it if `may_create`.
    pub fn load(path: &Path, may_create: bool, clock: &Clock) -> Result<Self, MasterKeyError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_create => Self::create(path, clock),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(MasterKeyError::Missing(path.into())),
            Err(error) => Err(MasterKeyError::File(path.into(), error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, MasterKeyError> {
        let malformed = || MasterKeyError::Malformed(path.into());
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| malformed())?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| malformed())?;
        Ok(Self(Zeroizing::new(key)))
    }

    fn create(path: &Path, clock: &Clock) -> Result<Self, MasterKeyError> {
        let key = Zeroizing::new(clock.random::<32>().ok_or(MasterKeyError::NoRandomness)?);
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(*key)));
        write_private(path, text.as_bytes()).map_err(|error| MasterKeyError::File(path.into(), error))?;
        Ok(Self(key))
    }

    /// A key of its own for one purpose (HMAC-SHA-256 of the purpose).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(keyed_hash(self.0.as_ref(), purpose.as_bytes()))
    }

    /// Seals a secret; `context` must be the same when it is opened.
    pub fn seal(&self, context: &str, secret: &[u8], clock: &Clock) -> Result<Vec<u8>, MasterKeyError> {
        let nonce = clock.random::<NONCE_BYTES>().ok_or(MasterKeyError::NoRandomness)?;
        let payload = Payload { msg: secret, aad: context.as_bytes() };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| MasterKeyError::Wrong)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`MasterKey::seal`] sealed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, MasterKeyError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(MasterKeyError::Wrong)?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        let opened = self.cipher().decrypt(XNonce::from_slice(nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| MasterKeyError::Wrong)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_ref().into())
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey([redacted])")
    }
}

/// HMAC-SHA-256.
pub(super) fn keyed_hash(key: &[u8], data: &[u8]) -> [u8; 32] {
    match <Hmac<Sha256> as Mac>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(data).finalize().into_bytes().into(),
        Err(_) => unreachable!("HMAC takes keys of any length (RFC 2104)"),
    }
}

/// Writes a file that only its owner may read, whole or not at all, and never over another.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::hard_link(&draft, path)?;
    fs::remove_file(&draft)?;
    // The name must be as durable as the database that cannot be opened without it.
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()
}
