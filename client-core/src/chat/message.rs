//! Messages as they are kept.

use std::fmt;

use missive_wire::{Address, Code, DeviceId, MessageId, State, Timestamp};
use serde::{Deserialize, Serialize};

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// It was received.
    In,
    /// It was sent.
    Out,
}

/// What a message holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// A text.
    Text(String),
    /// Something of a kind that this version does not know.
    Unsupported,
    /// A ciphertext that this device could not read; its sender has been told.
    Undecryptable,
    /// A payload that was refused, and why; its sender has been told.
    Refused(String),
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMessage {
    /// Its sender's id for it.
    pub id: MessageId,
    /// Which way it went.
    pub direction: Direction,
    /// The other party.
    pub peer: Address,
    /// The device that sent it.
    pub sender_device: DeviceId,
    /// When its sender says that it was written.
    pub sent_at: Timestamp,
    /// What it holds.
    pub body: Body,
    /// How far a sent message has come; `None` while no homeserver has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why a sent message is undeliverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Whether it came under an identity key that had not been accepted.
    #[serde(default)]
    pub identity_changed: bool,
    /// The id under which a sent message was encrypted again, because its receiver could not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<MessageId>,
    /// How often the homeserver has said that it was not for the receiver's devices.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) mismatches: u8,
}

/// A step of a sent message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// The message.
    pub id: MessageId,
    /// To whom it goes.
    pub receiver: Address,
    /// How far it has come.
    pub state: State,
    /// Why it is undeliverable.
    pub code: Option<Code>,
}

impl StoredMessage {
    /// Its row: a received message is known by its triple, a sent one by its id.
    pub(crate) fn key(&self) -> Vec<u8> {
        match self.direction {
            Direction::In => triple(&self.peer, self.sender_device, self.id),
            Direction::Out => sent_key(self.id),
        }
    }

    /// The text, where there is one.
    pub fn text(&self) -> Option<&str> {
        match &self.body {
            Body::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What a received message is known by.
pub(crate) fn triple(sender: &Address, device: DeviceId, id: MessageId) -> Vec<u8> {
    format!("{sender}/{device}/{id}").into_bytes()
}

/// A sent message's row.
pub(crate) fn sent_key(id: MessageId) -> Vec<u8> {
    [b"out/".as_slice(), id.as_bytes()].concat()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &u8) -> bool {
    *count == 0
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text([redacted])",
            Self::Unsupported => "Unsupported",
            Self::Undecryptable => "Undecryptable",
            Self::Refused(_) => "Refused",
        })
    }
}
