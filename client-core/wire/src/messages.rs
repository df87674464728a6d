//! Messages and statuses over REST, for a client without a WebSocket.

use serde::{Deserialize, Serialize};

use uuid::Uuid;

use crate::{Address, Delivered, DeviceId, State, StatusUpdate};

/// The oldest unacknowledged messages of a device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PendingMessages {
    /// Oldest first.
    pub messages: Vec<Delivered>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// One message as its receiver names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageRef {
    /// Who sent it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sender: Address,
    /// Which device sent it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8))]
    pub sender_device: DeviceId,
    /// The sender's id for it.
    pub id: Uuid,
}

/// Acknowledges messages as `received`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcknowledgeMessages {
    /// Each named whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageRef>,
    /// Or by id alone, whoever sent it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Uuid>,
}

/// The stored status updates of a device's sent messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PendingStatuses {
    /// Oldest first.
    pub statuses: Vec<StatusUpdate>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// One status update that was stored by the client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatusRef {
    /// The message it was about.
    pub message_id: Uuid,
    /// The state it told.
    pub state: State,
}

/// Acknowledges status updates.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcknowledgeStatuses {
    /// Each with its state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<StatusRef>,
    /// Or by message id alone, for every state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Uuid>,
}
