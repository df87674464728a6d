use missive_wire::{Address, Code, Delivered, DeviceId, MessageId, ServerName, State, StatusEnvelope};
use uuid::Uuid;

use super::{DeviceKey, NewEnvelope};

/// A message in the pending store.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its place in the device's order.
    pub seq: i64,
    /// The message.
    pub message: Delivered,
}

/// What is known of a row of the pending store by whoever has read it: enough to settle it without reading it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRow {
    /// Its place in the device's order.
    pub seq: i64,
    /// Who sent the message.
    pub sender: Address,
    /// The sender's account, if it is of this homeserver.
    pub sender_id: Option<Uuid>,
    /// From which device.
    pub sender_device: DeviceId,
    /// Which message.
    pub message_id: MessageId,
}

/// Which of a device's pending messages are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageSelector {
    /// The one of that sender, sender device and id.
    Triple(Address, DeviceId, MessageId),
    /// Every one of that id, whoever sent it.
    Id(MessageId),
    /// The one of that row.
    Row(PendingRow),
}

/// A pending message that was settled: its row is gone, its sender's status stored, here or on its way.
#[derive(Debug, Clone)]
pub struct SettledRow {
    /// Its place in the device's order.
    pub seq: i64,
    /// The sending device, if it is of this homeserver: the status waits for it.
    pub sender: Option<DeviceKey>,
    /// Who sent it, if it came from another homeserver: the status is on its way there.
    pub elsewhere: Option<Address>,
    /// Which message.
    pub message_id: MessageId,
}

/// A status to be stored for the device that sent the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatus {
    /// The device that sent the message, and is to be told.
    pub device: DeviceKey,
    /// The message.
    pub message_id: MessageId,
    /// How far it has come.
    pub state: State,
    /// Who says so: the message's receiver.
    pub sender: Address,
    /// Why, when undeliverable.
    pub code: Option<Code>,
}

/// A status in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStatus {
    /// The message.
    pub message_id: MessageId,
    /// How far it has come.
    pub state: State,
    /// Who says so: the message's receiver.
    pub sender: Address,
    /// Why, when undeliverable.
    pub code: Option<Code>,
}

impl StoredMessage {
    /// Its row, to settle it by.
    pub fn row(&self) -> PendingRow {
        PendingRow::of(self.seq, &self.message)
    }
}

impl PendingRow {
    /// The row of a message at that place.
    pub fn of(seq: i64, message: &Delivered) -> Self {
        Self {
            seq,
            sender: message.sender.clone(),
            sender_id: message.sender_id,
            sender_device: message.sender_device,
            message_id: message.id,
        }
    }

    /// The device that sent it, if it is of this homeserver.
    pub fn sending_device(&self) -> Option<DeviceKey> {
        self.sender_id.map(|account| DeviceKey { account, device: self.sender_device })
    }

    /// The account that sent it, if it is of another homeserver than `own`.
    pub fn elsewhere(&self, own: &ServerName) -> Option<&Address> {
        Some(&self.sender).filter(|sender| self.sender_id.is_none() && sender.server != *own)
    }

    /// What the sender's homeserver is told once it is settled, if that is another than `speaker`'s. `account` is the
    /// speaker's, who received the message.
    pub fn status_elsewhere(
        &self,
        account: Uuid,
        speaker: &Address,
        state: State,
        code: Option<Code>,
    ) -> Option<NewEnvelope> {
        let status = StatusEnvelope {
            message_ids: vec![self.message_id],
            state,
            code,
            sender: speaker.clone(),
            receiver: self.elsewhere(&speaker.server)?.clone(),
            receiver_device: self.sender_device,
        };
        Some(NewEnvelope::status(account, self.message_id, &status))
    }
}
