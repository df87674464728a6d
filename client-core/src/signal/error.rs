//! What can go wrong between two parties.

use missive_wire::Address;

use crate::StorageError;

/// Why something could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// There is no session to encrypt with: a bundle must be claimed.
    #[error("there is no session with {0}")]
    NoSession(Address),
    /// The contact's identity key has changed and the change has not been accepted.
    #[error("the identity key of {0} has changed: compare safety numbers, then accept it")]
    IdentityChanged(Address),
    /// The keys that the server gave are not usable.
    #[error("the keys of {address} are not usable: {reason}")]
    BadBundle {
        /// Whose keys.
        address: Address,
        /// What is wrong with them.
        reason: String,
    },
    /// A ciphertext that this device cannot read. Nothing of it was kept.
    #[error("the message cannot be decrypted: {0}")]
    Undecryptable(String),
    /// The cryptography failed on our own state.
    #[error("the message cannot be encrypted: {0}")]
    Encrypt(String),
    /// The keys of this device are not installed.
    #[error("this device has no keys: log in again")]
    NotInstalled,
    /// The local storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
