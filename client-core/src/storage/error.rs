//! What can be wrong with a namespace.

use std::{path::PathBuf, time::Duration};

use super::WrappedBy;

/// Why the local storage could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such account here.
    #[error("there is no such account on this computer: register it, or log in")]
    NoSuchAccount,
    /// Another process has the account open.
    #[error("{holder} has this account open (waited {} s): end it, or try again when it is done", waited.as_secs())]
    Locked {
        /// Who.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Another process is the owner of this account's keys.
    #[error("another process has this account's keys open: only that one can do this")]
    NotOwner,
    /// What a write depends on is there no more.
    #[error("it has been taken back")]
    Gone,
    /// An account here cannot be opened, and may be the one that is looked for.
    #[error(
        "an account here may be this one, and cannot be opened: {0}. Open it with what it was made with, or use \
             another --home"
    )]
    MayBeHere(Box<StorageError>),
    /// The passphrase or key is not the one that the account was closed with.
    #[error("this passphrase or key does not open the account")]
    WrongKey,
    /// The account was closed with something else.
    #[error("the account is closed with {}", closed_with(*.0))]
    OtherLock(WrappedBy),
    /// The key file cannot be used.
    #[error("the key file {} cannot be used: {reason}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The operating system's keyring cannot be used.
    #[error("the operating system's keyring cannot be used: {0}")]
    Keyring(String),
    /// A newer version wrote it.
    #[error("a newer version of this program wrote this account")]
    Newer,
    /// Something that this program did not write.
    #[error("the local storage is damaged: {0}")]
    Damaged(&'static str),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The file system.
    #[error("the local storage cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// The database.
    #[error("the local storage cannot be used: {0}")]
    Database(#[from] sqlx::Error),
}

fn closed_with(what: WrappedBy) -> &'static str {
    match what {
        WrappedBy::Keyring => "the operating system's keyring",
        WrappedBy::Passphrase => "a passphrase",
        WrappedBy::Key => "a key file",
    }
}
