use missive_wire::{Address, Code, Delivered, DeviceId, MessageId, State};

use super::DeviceKey;

/// A message in the pending store.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its place in the device's order.
    pub seq: i64,
    /// The message.
    pub message: Delivered,
}

/// Which of a device's pending messages are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageSelector {
    /// The one of that sender, sender device and id.
    Triple(Address, DeviceId, MessageId),
    /// Every one of that id, whoever sent it.
    Id(MessageId),
}

/// A pending message that was settled: its row is gone, its sender's status stored.
#[derive(Debug, Clone)]
pub struct SettledRow {
    /// Its place in the device's order.
    pub seq: i64,
    /// The sending device, if it is of this homeserver: the status waits for it.
    pub sender: Option<DeviceKey>,
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
    /// Its place in the device's order.
    pub seq: i64,
    /// The message.
    pub message_id: MessageId,
    /// How far it has come.
    pub state: State,
    /// Who says so: the message's receiver.
    pub sender: Address,
    /// Why, when undeliverable.
    pub code: Option<Code>,
}
