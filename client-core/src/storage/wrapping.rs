//! What wraps a data key: a secret in the keyring, or a plain key file.

use std::{fs, path::Path};

use missive_wire::Base64;
use zeroize::Zeroizing;

use super::{
    StorageError,
    durable::write_durably,
    seal::{self, SecretKey},
};

/// Whether the operating system has a keyring that answers.
pub fn keyring_works() -> bool {
    let probe = || match keyring::Entry::new("missive", "probe").and_then(|entry| entry.get_secret()) {
        Ok(_) | Err(keyring::Error::NoEntry) => true,
        Err(_) => false,
    };
    std::thread::spawn(probe).join().unwrap_or(false)
}

pub(super) fn file_key(path: &Path, create: bool) -> Result<SecretKey, StorageError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => return new_file_key(path),
        Err(error) => return Err(unusable(path, error)),
    };
    require_private(path)?;
    decode_key(text.trim()).ok_or_else(|| unusable(path, "it does not hold 32 bytes in base64"))
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> StorageError {
    StorageError::KeyFile { path: path.to_owned(), reason: format!("{reason}") }
}

fn new_file_key(path: &Path) -> Result<SecretKey, StorageError> {
    let key = seal::random_key()?;
    let text = Zeroizing::new(String::from(Base64::from(&key[..])) + "\n");
    match write_durably(path, text.as_bytes()) {
        Ok(()) => Ok(key),
        // Another process was first: its key is the one.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => file_key(path, false),
        Err(error) => Err(unusable(path, error)),
    }
}

fn decode_key(text: &str) -> Option<SecretKey> {
    let bytes = Zeroizing::new(Base64::try_from(text.to_owned()).ok()?.0);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

#[cfg(unix)]
fn require_private(path: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    Err(unusable(path, format!("others may read it: chmod 600 {}", path.display())))
}

#[cfg(not(unix))]
fn require_private(_path: &Path) -> Result<(), StorageError> {
    Ok(())
}

/// The keyring's client blocks on its own executor, so it gets a thread of its own.
pub(super) fn keyring_key(entry: String, create: bool) -> Result<SecretKey, StorageError> {
    std::thread::spawn(move || keyring_entry(&entry, create))
        .join()
        .unwrap_or_else(|_| Err(StorageError::Keyring("the keyring's client failed".to_owned())))
}

fn keyring_entry(entry: &str, create: bool) -> Result<SecretKey, StorageError> {
    let failed = |error: keyring::Error| StorageError::Keyring(error.to_string());
    let entry = keyring::Entry::new("missive", entry).map_err(failed)?;
    match entry.get_secret() {
        Ok(secret) => {
            let secret = Zeroizing::new(secret);
            Ok(Zeroizing::new(secret.as_slice().try_into().map_err(|_| StorageError::WrongKey)?))
        }
        Err(keyring::Error::NoEntry) if create => {
            let key = seal::random_key()?;
            entry.set_secret(&key[..]).map_err(failed)?;
            Ok(key)
        }
        Err(keyring::Error::NoEntry) => Err(StorageError::WrongKey),
        Err(error) => Err(failed(error)),
    }
}
