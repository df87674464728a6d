//! What a homeserver says over the WebSocket.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Address, Code, Content, DeviceId, ErrorDetails, ServerName, Timestamp};

/// A frame from a homeserver; told apart by its members.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServerFrame {
    /// The first frame of a connection.
    Hello {
        /// Who answers, and what waits.
        hello: Hello,
    },
    /// A `read` status is durable: it need not be repeated.
    Noted {
        /// Which.
        noted: Noted,
    },
    /// Everything that was pending at connect has been sent or acknowledged.
    Drained {
        /// Always true.
        drained: bool,
    },
    /// One-time keys run low.
    Keys {
        /// What is left.
        keys: KeysLow,
    },
    /// Another server was restored from a backup.
    PeerIncarnation {
        /// Which, and what it is now.
        #[serde(rename = "peerIncarnation")]
        peer_incarnation: PeerIncarnation,
    },
    /// A message's state.
    Status(StatusUpdate),
    /// A frame of the client's failed.
    Error(ServerError),
    /// A message.
    Message(Delivered),
}

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Renewed by a restore from backup; what was not yet `received` is then sent again.
    pub incarnation: Uuid,
    /// The device this connection is.
    pub device: DeviceId,
    /// Messages that wait in the store.
    pub pending: u64,
}

/// Which `read` statuses are durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Noted {
    /// The messages.
    pub message_ids: Vec<Uuid>,
    /// The state that was noted: `read`.
    pub state: State,
}

/// How many one-time keys are left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysLow {
    /// EC one-time pre-keys.
    pub pre_keys: u64,
    /// Kyber one-time pre-keys.
    pub pq_pre_keys: u64,
}

/// Another server was restored from a backup: what it has not answered for is sent to it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerIncarnation {
    /// The other server.
    pub server: ServerName,
    /// Its new incarnation.
    pub incarnation: Uuid,
}

/// Whether a ciphertext builds a session or uses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum CipherKind {
    /// libsignal's `PreKeySignalMessage`.
    PreKey,
    /// libsignal's `SignalMessage`.
    Message,
}

/// How far a message has come. States only rise: sent < undeliverable < received < read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A homeserver holds it durably.
    Sent,
    /// It never will be received; the code says why.
    Undeliverable,
    /// A device of the receiver has it and said so.
    Received,
    /// It was displayed.
    Read,
}

/// A message on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// The sender's id for it.
    pub id: Uuid,
    /// Who sent it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sender: Address,
    /// The sender's account, if it is of this homeserver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<Uuid>,
    /// Which device sent it.
    #[cfg_attr(feature = "openapi", schema(value_type = u8))]
    pub sender_device: DeviceId,
    /// What the ciphertext is, if the sender said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<CipherKind>,
    /// The ciphertext.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub content: Content,
    /// When the sender's homeserver took it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sent_at: Timestamp,
}

/// What became of messages that this client sent. Exactly one of `message_id` and `message_ids` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdate {
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
    /// The messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub message_ids: Vec<Uuid>,
    /// How far it has come.
    pub state: State,
    /// The message's receiver: whoever says so.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sender: Address,
    /// Why, when it is undeliverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub code: Option<Code>,
}

impl StatusUpdate {
    /// Every message it speaks of.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.message_id.into_iter().chain(self.message_ids.iter().copied())
    }
}

/// A frame of the client's that failed. With `retryAfter` the failure is temporary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerError {
    /// A sentence for a person.
    pub error: String,
    /// A stable code.
    pub code: Code,
    /// The frame's message id, where one could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Details that some codes have.
    #[serde(flatten)]
    pub details: ErrorDetails,
}
