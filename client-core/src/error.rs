//! What can go wrong, as a program tells it apart.

use std::time::Duration;

use missive_wire::{Address, Code, InvalidName};

use crate::{SignalError, StorageError};

/// Why something that a client was asked to do did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name or the password is wrong.
    #[error("the name or the password is wrong")]
    WrongCredentials,
    /// Someone has the name already, or had it.
    #[error("the name is taken: choose another one")]
    NameTaken,
    /// The password is right, and the account has a second factor.
    #[error("the account has a second factor: give its current code too")]
    SecondFactorNeeded,
    /// The session has ended, or never was.
    #[error("the session has ended: log in again")]
    SessionEnded,
    /// An admin has revoked the account.
    #[error("the account has been revoked by the homeserver's admin")]
    AccountRevoked,
    /// No homeserver answers there.
    #[error("the homeserver cannot be reached: {0}")]
    Unreachable(String),
    /// The homeserver asks for patience.
    #[error("the homeserver asks to wait{}: {error}", seconds(*.retry_after))]
    RateLimited {
        /// How long.
        retry_after: Option<Duration>,
        /// What it says.
        error: String,
    },
    /// The homeserver cannot reach the other one at the moment.
    #[error("the other homeserver cannot be reached now: {error}")]
    PeerUnreachable {
        /// When it may be tried again.
        retry_after: Option<Duration>,
        /// What the own homeserver says.
        error: String,
    },
    /// The homeserver refuses.
    #[error("the homeserver refuses: {error}")]
    Refused {
        /// Why, as a stable code.
        code: Code,
        /// Why, as a sentence.
        error: String,
        /// Where an id of a key had been used: the highest that was.
        highest_key_id: Option<u32>,
    },
    /// The homeserver's answer is none of this protocol's.
    #[error("the homeserver's answer cannot be read: {0}")]
    UnexpectedAnswer(String),
    /// The server's URL cannot be used.
    #[error("the server's URL cannot be used: {0}")]
    InvalidServer(String),
    /// A name, server name or address cannot be used.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// The receiver does not exist, or has no keys yet.
    #[error("{0} cannot be written to: there is no such account, or it has published no keys")]
    UnknownReceiver(Address),
    /// Something that is done with somebody else, asked for oneself.
    #[error("that is this account's own address: name somebody else's")]
    OwnAddress,
    /// The receiver is blocked here.
    #[error("{0} is blocked: unblock them first")]
    Blocked(Address),
    /// This computer has another account under that address.
    #[error("this computer keeps another account that was called {0}: use another --home for this one")]
    OtherAccount(Address),
    /// The account's keys are on this computer already.
    #[error("{0} is on this computer already: log in instead")]
    AlreadyHere(Address),
    /// The safety number is not about the contact's newest identity key any more.
    #[error("the identity key of {0} is another one by now: compare the safety number again")]
    OtherIdentity(Address),
    /// A petname that cannot be used.
    #[error("a petname has 1 to 64 characters, none of them a control character")]
    InvalidPetname,
    /// The identity key of an account is not known here.
    #[error("the identity key of {0} is not known here yet: write to them, or wait for their first message")]
    UnknownIdentity(Address),
    /// The process that has the account open could not do it.
    #[error("the process that has the account open could not do it: {0}")]
    OwnerFailed(String),
    /// The process that has the account open has not come to it in time.
    #[error("the process that has the account open did not take the message in time: it was not sent")]
    NotTaken,
    /// The process that had the account open has gone without doing it.
    #[error("the process that had the account open has ended: try again")]
    OwnerGone,
    /// The text does not fit into a message.
    #[error("the message is too long")]
    TooLarge,
    /// The homeserver has another identity key of this account than this device: it was set up elsewhere.
    #[error(
        "this account's keys were made on another device, or have been lost here: start over to \
         make new ones (other devices, their sessions and undelivered messages go)"
    )]
    IdentityReplaced,
    /// Keys, sessions, ciphertexts.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The local storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Error {
    /// Whether the same may go well a little later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::RateLimited { .. } | Self::PeerUnreachable { .. })
    }
}

fn seconds(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" {} s", wait.as_secs())).unwrap_or_default()
}
