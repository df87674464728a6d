//! What a client says over the WebSocket.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    AccountName, Address, CipherKind, Code, Content, DeviceId, InvalidBase64, InvalidName, MessageId, ServerName,
    State, binary::Text,
};

/// The longest frame either side sends, in bytes.
pub const FRAME_MAX_BYTES: usize = 256 * 1024;

/// The most ids in one `messageIds`.
pub const MESSAGE_IDS_MAX: usize = 100;

/// A frame from a client; told apart by its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// A message to send.
    Message(MessageFrame),
    /// What became of messages that this device was sent.
    Status(StatusFrame),
    /// Status updates that this device has stored.
    StatusAck(StatusAck),
}

/// Whom a frame names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// A bare name: an account of the client's own homeserver.
    Name(AccountName),
    /// A full address.
    Address(Address),
    /// The id of an account of the client's own homeserver.
    Id(Uuid),
}

/// A message to send. Either `content` (for the receiver's device 1) or `contents` (one a device) is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageFrame {
    /// The sender's id for it; the server assigns one where it is missing.
    pub id: Option<MessageId>,
    /// To whom.
    pub receiver: Receiver,
    /// What.
    pub content: MessageContent,
}

/// The ciphertexts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageContent {
    /// For device 1 of an account with no other device.
    Lone {
        /// What the ciphertext is, if the client says so.
        kind: Option<CipherKind>,
        /// The ciphertext.
        content: Content,
    },
    /// One for each device of the receiver.
    PerDevice(BTreeMap<DeviceId, DeviceContent>),
}

/// A ciphertext for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceContent {
    /// The registration id of the device that the session was built with.
    pub registration_id: u32,
    /// What the ciphertext is.
    pub kind: CipherKind,
    /// The ciphertext.
    pub content: Content,
}

/// What became of messages that this device was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusFrame {
    /// The messages, 1 to [`MESSAGE_IDS_MAX`].
    pub message_ids: Vec<MessageId>,
    /// `received`, `read` or `undeliverable`.
    pub state: State,
    /// The messages' sender.
    pub receiver: Receiver,
    /// The device that sent them.
    pub sender_device: DeviceId,
    /// Why, when undeliverable.
    pub code: Option<Code>,
}

/// Status updates that the client has stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAck {
    /// The messages they were about, 1 to [`MESSAGE_IDS_MAX`].
    pub message_ids: Vec<MessageId>,
    /// The state they told.
    pub state: State,
}

/// Why a client's frame was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct FrameError {
    /// A sentence for a person.
    pub error: String,
    /// A stable code.
    pub code: Code,
    /// The message id, where one could be read.
    pub id: Option<MessageId>,
}

/// Every member that a client's frame may have. Strings are parts of the frame where they have no escapes.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Members<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<MessageId>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    receiver: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<CipherKind>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    content: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    contents: Option<BTreeMap<DeviceId, DeviceMembers<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_ids: Option<Vec<MessageId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_device: Option<DeviceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_ack: Option<StatusAck>,
}

/// The members of a [`DeviceContent`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceMembers<'a> {
    registration_id: u32,
    kind: CipherKind,
    #[serde(borrow)]
    content: Text<'a>,
}

impl Receiver {
    /// The full address, a bare name being of `home`; `None` for an account id.
    pub fn address(&self, home: &ServerName) -> Option<Address> {
        match self {
            Self::Name(name) => Some(Address { name: name.clone(), server: home.clone() }),
            Self::Address(address) => Some(address.clone()),
            Self::Id(_) => None,
        }
    }

    fn parse(name: Option<&Text<'_>>, id: Option<Uuid>) -> Result<Self, String> {
        let name_error = |error: InvalidName| format!("the receiver is not valid: {error}");
        match (name.map(Text::as_str), id) {
            (Some(name), _) if name.contains('@') => Ok(Self::Address(name.parse().map_err(name_error)?)),
            (Some(name), _) => Ok(Self::Name(name.parse().map_err(name_error)?)),
            (None, Some(id)) => Ok(Self::Id(id)),
            (None, None) => Err("a frame names its receiver: add \"receiver\"".into()),
        }
    }

    fn members(&self) -> (Option<Text<'_>>, Option<Uuid>) {
        match self {
            Self::Name(name) => (Some(name.as_str().into()), None),
            Self::Address(address) => (Some(address.to_string().into()), None),
            Self::Id(id) => (None, Some(*id)),
        }
    }
}

impl ClientFrame {
    /// Reads a text frame whose bytes are shared: ciphertexts stay parts of it, uncopied, and keep it in memory.
    pub fn read(frame: &Bytes) -> Result<Self, FrameError> {
        let members: Members<'_> = serde_json::from_slice(frame).map_err(|error| FrameError {
            error: format!("the frame could not be read: {error}"),
            code: Code::Malformed,
            id: readable_id(frame),
        })?;
        let id = members.id;
        members.into_frame(frame).map_err(|(code, error)| FrameError { error, code, id })
    }

    /// Reads a text frame.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        Self::read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The frame as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.members()).unwrap_or_default()
    }

    fn members(&self) -> Members<'_> {
        match self {
            Self::Message(frame) => {
                let (receiver, receiver_id) = frame.receiver.members();
                let base = Members { id: frame.id, receiver, receiver_id, ..Members::default() };
                match &frame.content {
                    MessageContent::Lone { kind, content } => {
                        Members { kind: *kind, content: Some(content.as_str().into()), ..base }
                    }
                    MessageContent::PerDevice(contents) => {
                        let contents = contents.iter().map(|(device, one)| (*device, one.members())).collect();
                        Members { contents: Some(contents), ..base }
                    }
                }
            }
            Self::Status(frame) => {
                let (receiver, receiver_id) = frame.receiver.members();
                Members {
                    receiver,
                    receiver_id,
                    message_ids: Some(frame.message_ids.clone()),
                    state: Some(frame.state),
                    sender_device: Some(frame.sender_device),
                    code: frame.code,
                    ..Members::default()
                }
            }
            Self::StatusAck(ack) => Members { status_ack: Some(ack.clone()), ..Members::default() },
        }
    }
}

/// A refusal: its code and a sentence.
type Refused = (Code, String);

impl Members<'_> {
    fn into_frame(self, frame: &Bytes) -> Result<ClientFrame, Refused> {
        if let Some(ack) = self.status_ack {
            check_ids(&ack.message_ids)?;
            return Ok(ClientFrame::StatusAck(ack));
        }
        if let Some(state) = self.state {
            return Ok(ClientFrame::Status(self.into_status(state)?));
        }
        let receiver = Receiver::parse(self.receiver.as_ref(), self.receiver_id).map_err(malformed);
        let content = match (self.content, self.contents) {
            (Some(content), None) => MessageContent::Lone {
                kind: self.kind,
                content: Content::of_frame(content, frame).map_err(not_base64)?,
            },
            (None, Some(contents)) if !contents.is_empty() => {
                let read = contents.into_iter().map(|(device, one)| Ok((device, one.read(frame)?)));
                MessageContent::PerDevice(read.collect::<Result<_, _>>().map_err(not_base64)?)
            }
            (Some(_), Some(_)) => return Err(malformed("a message has \"content\" or \"contents\", not both")),
            _ => return Err(malformed("a frame is a message (\"content\"), a status (\"state\") or a \"statusAck\"")),
        };
        if content.ciphertexts().any(Content::is_too_large) {
            let limit = crate::CONTENT_MAX_CHARS;
            return Err((Code::TooLarge, format!("the content for a device has at most {limit} characters")));
        }
        Ok(ClientFrame::Message(MessageFrame { id: self.id, receiver: receiver?, content }))
    }

    fn into_status(self, state: State) -> Result<StatusFrame, Refused> {
        let message_ids = self.message_id.into_iter().chain(self.message_ids.unwrap_or_default()).collect::<Vec<_>>();
        check_ids(&message_ids)?;
        if state == State::Sent {
            return Err(malformed("only a homeserver says \"sent\""));
        }
        Ok(StatusFrame {
            message_ids,
            state,
            receiver: Receiver::parse(self.receiver.as_ref(), self.receiver_id).map_err(malformed)?,
            sender_device: self.sender_device.unwrap_or_default(),
            code: self.code,
        })
    }
}

impl DeviceMembers<'_> {
    pub(crate) fn read(self, frame: &Bytes) -> Result<DeviceContent, InvalidBase64> {
        let content = Content::of_frame(self.content, frame)?;
        Ok(DeviceContent { registration_id: self.registration_id, kind: self.kind, content })
    }
}

impl DeviceContent {
    pub(crate) fn members(&self) -> DeviceMembers<'_> {
        let content = self.content.as_str().into();
        DeviceMembers { registration_id: self.registration_id, kind: self.kind, content }
    }
}

impl MessageContent {
    /// Every ciphertext.
    pub fn ciphertexts(&self) -> Box<dyn Iterator<Item = &Content> + '_> {
        match self {
            Self::Lone { content, .. } => Box::new(std::iter::once(content)),
            Self::PerDevice(contents) => Box::new(contents.values().map(|device| &device.content)),
        }
    }
}

fn malformed(error: impl Into<String>) -> Refused {
    (Code::Malformed, error.into())
}

fn not_base64(error: InvalidBase64) -> Refused {
    malformed(format!("the content could not be read: {error}"))
}

fn check_ids(ids: &[MessageId]) -> Result<(), Refused> {
    match ids.len() {
        1..=MESSAGE_IDS_MAX => Ok(()),
        0 => Err(malformed("a status names its message: add \"messageId\"")),
        n => Err(malformed(format!("at most {MESSAGE_IDS_MAX} messageIds a frame, not {n}"))),
    }
}

/// The id of a frame that is JSON but not a frame, so that its sender learns which one failed.
fn readable_id(frame: &[u8]) -> Option<MessageId> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: MessageId,
    }
    serde_json::from_slice::<OnlyId>(frame).ok().map(|only| only.id)
}
