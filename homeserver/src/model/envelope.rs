use missive_wire::{Address, Code, DeviceId, Envelope, MessageEnvelope, MessageId, ServerName, State, StatusEnvelope};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{DeviceKey, NewStatus};

/// How many lanes lead to each other homeserver.
pub const LANES: u8 = 8;

/// One of the lanes to another homeserver. In each, one transaction is under way at a time, so that the envelopes of a
/// pair stay in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// The other homeserver.
    pub destination: ServerName,
    /// Which, below [`LANES`].
    pub number: u8,
}

/// An envelope for another homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnvelope {
    /// What tells it apart.
    pub key: EnvelopeKey,
    /// By which lane it goes.
    pub lane: Lane,
    /// The envelope, as it goes into a transaction.
    pub json: String,
}

/// What tells envelopes apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvelopeKey {
    /// On whose behalf it goes: a message's sender, or whoever speaks in a status.
    pub account: Uuid,
    /// The device that sent the message; `None` for a status.
    pub device: Option<DeviceId>,
    /// The address that it goes to.
    pub receiver: Address,
    /// The device that a status is for; `None` for a message.
    pub receiver_device: Option<DeviceId>,
    /// The message.
    pub message_id: MessageId,
    /// What a status says; `None` for a message.
    pub state: Option<State>,
}

/// A stored envelope without what is in it: enough to settle it without reading it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place in the order of its lane.
    pub seq: i64,
    /// What tells it apart.
    pub key: EnvelopeKey,
    /// Its length.
    pub bytes: i64,
}

impl Lane {
    /// The lane of everything that goes from a device of one address to the other. It must never become another while
    /// envelopes of the pair are stored.
    pub fn of(sender: &Address, device: DeviceId, receiver: &Address) -> Self {
        let digest = Sha256::digest(format!("{sender}\n{device}\n{receiver}"));
        Self { destination: receiver.server.clone(), number: digest[0] % LANES }
    }
}

impl NewEnvelope {
    /// The message of a device of `account`.
    pub fn message(account: Uuid, message: &MessageEnvelope) -> Self {
        Self {
            key: EnvelopeKey {
                account,
                device: Some(message.sender_device),
                receiver: message.receiver.clone(),
                receiver_device: None,
                message_id: message.id,
                state: None,
            },
            lane: Lane::of(&message.sender, message.sender_device, &message.receiver),
            json: Envelope::Message(message.clone()).to_json(),
        }
    }

    /// A status of one message, which `account` received.
    pub fn status(account: Uuid, message_id: MessageId, status: &StatusEnvelope) -> Self {
        let status = StatusEnvelope { message_ids: vec![message_id], ..status.clone() };
        Self {
            key: EnvelopeKey {
                account,
                device: None,
                receiver: status.receiver.clone(),
                receiver_device: Some(status.receiver_device),
                message_id,
                state: Some(status.state),
            },
            lane: Lane::of(&status.sender, status.receiver_device, &status.receiver),
            json: Envelope::Status(status).to_json(),
        }
    }
}

impl EnvelopeKey {
    /// Whether two are of the same pair: they go in order, and one that is deferred holds up the other.
    pub fn same_pair(&self, other: &Self) -> bool {
        self.account == other.account
            && self.device == other.device
            && self.receiver_device == other.receiver_device
            && self.receiver == other.receiver
    }
}

impl OutboxRow {
    /// What the device that sent the message is told of it; nothing of a status.
    pub fn status(&self, state: State, code: Option<Code>) -> Option<NewStatus> {
        let EnvelopeKey { account, device, ref receiver, message_id, .. } = self.key;
        let device = DeviceKey { account, device: device? };
        Some(NewStatus { device, message_id, state, sender: receiver.clone(), code })
    }
}
