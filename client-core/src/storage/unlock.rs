//! The data key, and what it is wrapped by: `key.json` beside the store.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, Version};
use missive_wire::{Address, Base64};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    StorageError,
    durable::write_durably,
    seal::{self, SecretKey},
    wrapping::{file_key, keyring_key},
};

const VERSION: u32 = 2;
const SALT_LENGTH: usize = 16;

/// How long another process may take to make an account.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// An address is padded to this many bytes, so that its length tells nothing.
const ADDRESS_BYTES: usize = 384;

/// What the account's address is sealed for.
const ADDRESS: &[u8] = b"missive account address";

/// 64 MiB, three passes: what a laptop does in a quarter of a second.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

/// More than this in a file is not ours and would only cost memory.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;

/// What opens a namespace.
#[derive(Clone)]
pub enum Unlock {
    /// A secret in the operating system's keyring.
    Keyring,
    /// A passphrase, through Argon2id.
    Passphrase(SecretString),
    /// A plain file that only its owner may read; created where it is missing.
    KeyFile(PathBuf),
    /// 32 bytes that the caller keeps.
    Key([u8; 32]),
}

/// What a namespace was closed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WrappedBy {
    /// The operating system's keyring.
    Keyring,
    /// A passphrase.
    Passphrase,
    /// A key file, or a key that the caller keeps.
    Key,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyFile {
    v: u32,
    wrapped_by: WrappedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    argon2id: Option<Argon2id>,
    data_key: Base64,
    /// Whose it is, sealed with the data key.
    account: Base64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argon2id {
    salt: Base64,
    memory_kib: u32,
    passes: u32,
}

impl Unlock {
    /// What a namespace is closed with by it.
    pub fn wrapped_by(&self) -> WrappedBy {
        match self {
            Self::Keyring => WrappedBy::Keyring,
            Self::Passphrase(_) => WrappedBy::Passphrase,
            Self::KeyFile(_) | Self::Key(_) => WrappedBy::Key,
        }
    }

    /// The key that wraps the data key. `create` makes what is missing.
    fn wrapping_key(&self, entry: &str, argon2id: Option<&Argon2id>, create: bool) -> Result<SecretKey, StorageError> {
        match self {
            Self::Keyring => keyring_key(entry.to_owned(), create),
            Self::Passphrase(passphrase) => {
                stretch(passphrase, argon2id.ok_or(StorageError::Damaged("key.json lacks its salt"))?)
            }
            Self::KeyFile(path) => file_key(path, create),
            Self::Key(key) => Ok(Zeroizing::new(*key)),
        }
    }
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlock::{:?}", self.wrapped_by())
    }
}

/// What the namespace in `directory` was closed with; `None` where there is none.
pub(crate) fn wrapped_by(directory: &Path) -> Result<Option<WrappedBy>, StorageError> {
    Ok(read(directory)?.map(|file| file.wrapped_by))
}

/// Makes a data key and writes it down, wrapped. Slow with a passphrase: not for an async thread.
pub(crate) fn create(directory: &Path, account: &Address, unlock: &Unlock) -> Result<SecretKey, StorageError> {
    let entry = entry(directory);
    let argon2id = match unlock {
        Unlock::Passphrase(_) => Some(Argon2id::fresh()?),
        _ => None,
    };
    let wrapping = unlock.wrapping_key(&entry, argon2id.as_ref(), true)?;
    let data_key = seal::random_key()?;
    let sealed = seal::seal(&seal::cipher(&wrapping), entry.as_bytes(), &data_key[..])?;
    let file = KeyFile {
        v: VERSION,
        wrapped_by: unlock.wrapped_by(),
        argon2id,
        data_key: Base64(sealed),
        account: Base64(seal_address(&data_key, account)?),
    };
    let json = serde_json::to_vec_pretty(&file).map_err(|_| StorageError::Damaged("key.json cannot be written"))?;
    write_durably(&directory.join("key.json"), &json)?;
    Ok(data_key)
}

/// Reads the data key, and whose it is. Slow with a passphrase: not for an async thread.
pub(crate) fn open(directory: &Path, unlock: &Unlock) -> Result<(SecretKey, Address), StorageError> {
    let file = read(directory)?.ok_or(StorageError::NoSuchAccount)?;
    if file.wrapped_by != unlock.wrapped_by() {
        return Err(StorageError::OtherLock(file.wrapped_by));
    }
    let entry = entry(directory);
    let wrapping = unlock.wrapping_key(&entry, file.argon2id.as_ref(), false)?;
    let opened =
        seal::open(&seal::cipher(&wrapping), entry.as_bytes(), &file.data_key.0).ok_or(StorageError::WrongKey)?;
    let key: [u8; 32] =
        opened.as_slice().try_into().map_err(|_| StorageError::Damaged("the data key has the wrong length"))?;
    let key = Zeroizing::new(key);
    let address = open_address(&key, &file.account.0).ok_or(StorageError::Damaged("its address cannot be read"))?;
    Ok((key, address))
}

/// The directory's random name: what the keyring knows the account by.
fn entry(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn seal_address(key: &SecretKey, address: &Address) -> Result<Vec<u8>, StorageError> {
    let mut text = address.to_string().into_bytes();
    text.resize(text.len().max(ADDRESS_BYTES), 0);
    seal::seal(&seal::cipher(key), ADDRESS, &text)
}

fn open_address(key: &SecretKey, sealed: &[u8]) -> Option<Address> {
    let text = seal::open(&seal::cipher(key), ADDRESS, sealed)?;
    std::str::from_utf8(&text).ok()?.trim_end_matches('\0').parse().ok()
}

fn read(directory: &Path) -> Result<Option<KeyFile>, StorageError> {
    let json = match fs::read(directory.join("key.json")) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match serde_json::from_slice::<KeyFile>(&json) {
        Ok(file) if file.v == VERSION => Ok(Some(file)),
        Ok(_) => Err(StorageError::Newer),
        Err(_) => Err(StorageError::Damaged("key.json cannot be read")),
    }
}

impl Argon2id {
    fn fresh() -> Result<Self, StorageError> {
        let mut salt = vec![0; SALT_LENGTH];
        seal::fill_random(&mut salt)?;
        Ok(Self { salt: Base64(salt), memory_kib: MEMORY_KIB, passes: PASSES })
    }
}

fn stretch(passphrase: &SecretString, argon2id: &Argon2id) -> Result<SecretKey, StorageError> {
    let damaged = StorageError::Damaged("key.json names impossible Argon2id parameters");
    if argon2id.memory_kib > MEMORY_KIB_MAX || argon2id.passes > PASSES_MAX {
        return Err(damaged);
    }
    let Ok(params) = Params::new(argon2id.memory_kib, argon2id.passes, 1, Some(32)) else { return Err(damaged) };
    let mut key = SecretKey::default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose_secret().as_bytes(), &argon2id.salt.0, &mut *key)
        .map_err(|_| damaged)?;
    Ok(key)
}
