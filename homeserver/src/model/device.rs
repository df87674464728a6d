use missive_wire::DeviceId;
use uuid::Uuid;

/// A device of an account of this homeserver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey {
    /// The account.
    pub account: Uuid,
    /// Which of its devices.
    pub device: DeviceId,
}

/// A device as senders need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Which.
    pub device: DeviceId,
    /// Its registration id, once it has published keys.
    pub registration_id: Option<u32>,
}
