//! What happens on a connection, as it happens.

use std::time::Duration;

use missive_wire::{Address, Code, MessageId};

use super::message::{StatusChange, StoredMessage};
use crate::Error;

/// Something that happened. What it tells is stored already.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The homeserver has said hello; so many messages wait there.
    Connected {
        /// How many.
        pending: u64,
    },
    /// A message came, and is acknowledged.
    Message(StoredMessage),
    /// A sent message has come further, or never will.
    Status(StatusChange),
    /// The homeserver complains.
    Error {
        /// Why, as a stable code.
        code: Code,
        /// Why, as a sentence.
        error: String,
        /// About which message, where it is about one; it is tried again.
        id: Option<MessageId>,
    },
    /// The identity key of a contact has changed, and messages to them wait: see
    /// [`Client::accept_identity`](crate::Client::accept_identity).
    IdentityChanged(Address),
    /// Everything that was pending when the connection began has come.
    Drained,
    /// The connection is gone, and will be tried again.
    Disconnected {
        /// Why.
        error: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The connection is gone for good. The last event.
    Closed(Closed),
}

/// Why a connection ended for good.
#[derive(Debug)]
pub enum Closed {
    /// The homeserver closed it with this code, and does not want it back by itself.
    Code(u16, String),
    /// It failed.
    Error(Error),
}

impl Closed {
    /// The session was ended or revoked.
    pub const SESSION_ENDED: u16 = 4401;
    /// The same device has connected elsewhere.
    pub const ELSEWHERE: u16 = 4409;
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(Self::SESSION_ENDED, _) => f.write_str("the session was ended: log in again"),
            Self::Code(Self::ELSEWHERE, _) => f.write_str("this account has connected elsewhere with the same device"),
            Self::Code(code, reason) if reason.is_empty() => write!(f, "the homeserver closed the connection ({code})"),
            Self::Code(code, reason) => write!(f, "the homeserver closed the connection ({code}): {reason}"),
            Self::Error(error) => error.fmt(f),
        }
    }
}
