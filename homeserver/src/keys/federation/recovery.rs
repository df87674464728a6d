//! The recovery key: made by the admin, kept offline in a file, never in the database. It says which key is the server's
//! when the server's own can no longer be believed.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::clock::Clock;

/// What the file begins with, so that no other key is taken for this one.
const MARK: &str = "missive-recovery-key";

/// The recovery key of a server.
pub struct RecoveryKey(SigningKey);

/// Why there is no usable recovery key; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryKeyError {
    /// The file is there already.
    #[error("{0} is there already, and is not written over: name another file")]
    Exists(PathBuf),
    /// The file could not be read or made.
    #[error("the recovery key file {0} cannot be used: {1}")]
    File(PathBuf, std::io::Error),
    /// The file's text is no recovery key.
    #[error("{0} is no recovery key file: `missivectl federation recovery-key create` writes one")]
    Malformed(PathBuf),
    /// The file is another server's.
    #[error("{path} is the recovery key of {server}, not of this homeserver")]
    OtherServer {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        server: String,
    },
}

impl RecoveryKey {
    /// A new key; `None` without random bytes.
    pub fn generate(clock: &Clock) -> Option<Self> {
        Some(Self(SigningKey::from_bytes(&Zeroizing::new(clock.random::<32>()?))))
    }

    /// Writes a file that only its owner may read, never over another.
    pub fn write(&self, path: &Path, server_name: &str) -> Result<(), RecoveryKeyError> {
        let text = Zeroizing::new(format!("{MARK} {server_name} {}\n", STANDARD.encode(self.0.as_bytes())));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => RecoveryKeyError::Exists(path.into()),
            _ => RecoveryKeyError::File(path.into(), error),
        })?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
            let _ = fs::remove_file(path);
            RecoveryKeyError::File(path.into(), error)
        })?;
        // The name should be durable before the key is published. Not every stick's file system can say that it is.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }

    /// Reads the file of that server.
    pub fn read(path: &Path, server_name: &str) -> Result<Self, RecoveryKeyError> {
        let malformed = || RecoveryKeyError::Malformed(path.into());
        let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => malformed(),
            _ => RecoveryKeyError::File(path.into(), error),
        })?;
        let mut words = text.split_whitespace();
        let (Some(MARK), Some(server), Some(key), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed());
        };
        if server != server_name {
            return Err(RecoveryKeyError::OtherServer { path: path.into(), server: server.to_owned() });
        }
        let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| malformed())?);
        Ok(Self(SigningKey::from_bytes(bytes.as_slice().try_into().map_err(|_| malformed())?)))
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey([redacted])")
    }
}
