//! What homeservers say to each other: transactions of envelopes, claims, names.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    Address, CipherKind, Code, Content, DeviceContent, DeviceId, ErrorBody, InvalidBase64, MESSAGE_IDS_MAX,
    MessageContent, MessageId, State, Timestamp, binary::Text, client_frame::DeviceMembers,
};

/// The most envelopes of a transaction.
pub const ENVELOPES_MAX: usize = 100;

/// The most bytes of a transaction's body.
pub const TRANSACTION_MAX_BYTES: usize = 1024 * 1024;

/// What a homeserver forwards to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// A message of one of its users.
    Message(MessageEnvelope),
    /// What became of messages that one of its users was sent.
    Status(StatusEnvelope),
}

/// A message on its way to another homeserver: all its ciphertexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEnvelope {
    /// The sender's id for it.
    pub id: MessageId,
    /// Who sent it: an account of the origin.
    pub sender: Address,
    /// Which device sent it.
    pub sender_device: DeviceId,
    /// Whom it is for: an account of the destination.
    pub receiver: Address,
    /// A ciphertext for device 1, or one for each device.
    pub content: MessageContent,
    /// The registration id of the device that a lone ciphertext is for, where the origin knows it.
    pub registration_id: Option<u32>,
    /// When the sender's homeserver took it.
    pub sent_at: Timestamp,
}

/// What became of messages, on its way to the homeserver of whoever sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEnvelope {
    /// The messages, 1 to [`MESSAGE_IDS_MAX`].
    pub message_ids: Vec<MessageId>,
    /// `received`, `read` or `undeliverable`.
    pub state: State,
    /// Why, when undeliverable.
    pub code: Option<Code>,
    /// Who says so, the messages' receiver: an account of the origin.
    pub sender: Address,
    /// The messages' sender: an account of the destination.
    pub receiver: Address,
    /// Which device sent them.
    pub receiver_device: DeviceId,
}

/// The answer to a transaction, inside `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionAnswer {
    /// Renewed when the answering homeserver is restored from a backup.
    pub incarnation: Uuid,
    /// One for each envelope, in their order.
    pub results: Vec<EnvelopeResult>,
}

/// What became of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EnvelopeResult {
    /// It will never be taken.
    Refused(ErrorBody),
    /// It cannot be taken now: it comes again, before anything later of its pair.
    Deferred {
        /// Always true.
        deferred: bool,
    },
    /// It is durable at the destination, or its device said that it has it.
    Accepted {
        /// Always true.
        accepted: bool,
        /// `received`, where the device said that it has the message and it was never stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<State>,
    },
}

/// Claims a bundle for one of the origin's users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteClaim {
    /// Random; the same again gets the same bundle.
    pub claim_id: Uuid,
    /// For whom: an account of the origin.
    pub requester: Address,
}

/// An account of another homeserver, as it stands in the answers to `/federation/v1/users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteUser {
    /// Its address.
    pub address: Address,
}

/// The accounts whose names begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteUsers {
    /// In the order of their names.
    pub users: Vec<RemoteUser>,
}

/// The answer to `/federation/v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerVersion {
    /// The program, and its version.
    pub server: String,
    /// The versions of the federation protocol that it speaks.
    pub versions: Vec<String>,
}

/// Why an envelope was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct EnvelopeError {
    /// A sentence for a person.
    pub error: String,
    /// A stable code.
    pub code: Code,
}

/// A transaction whose envelopes have not been read: one that cannot be does not spoil the others.
#[derive(Debug)]
pub struct Transaction<'a>(Vec<&'a RawValue>);

#[derive(Deserialize)]
struct TransactionMembers<'a> {
    #[serde(borrow)]
    envelopes: Vec<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EnvelopeMembers<'a> {
    #[serde(borrow)]
    Message(MessageMembers<'a>),
    Status(StatusMembers),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageMembers<'a> {
    id: MessageId,
    sender: Address,
    #[serde(default)]
    sender_device: DeviceId,
    receiver: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<CipherKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_id: Option<u32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    content: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    contents: Option<BTreeMap<DeviceId, DeviceMembers<'a>>>,
    sent_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusMembers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    message_ids: Vec<MessageId>,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    sender: Address,
    receiver: Address,
    #[serde(default)]
    receiver_device: DeviceId,
}

impl<'a> Transaction<'a> {
    /// Reads the body of a transaction.
    pub fn read(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let members: TransactionMembers<'a> = serde_json::from_slice(body)
            .map_err(|error| malformed(format!("the transaction could not be read: {error}")))?;
        match members.envelopes.len() {
            1..=ENVELOPES_MAX => Ok(Self(members.envelopes)),
            0 => Err(malformed("a transaction has envelopes")),
            many => {
                let error = format!("a transaction has at most {ENVELOPES_MAX} envelopes, not {many}");
                Err(EnvelopeError { error, code: Code::TooLarge })
            }
        }
    }

    /// Its envelopes, in their order. Ciphertexts stay parts of `body`, from which this was read.
    pub fn envelopes(&self, body: &Bytes) -> Vec<Result<Envelope, EnvelopeError>> {
        self.0.iter().map(|envelope| Envelope::read(envelope.get(), body)).collect()
    }

    /// A transaction's body with these envelopes, which are JSON already.
    pub fn body<'e>(envelopes: impl IntoIterator<Item = &'e str>) -> Bytes {
        let mut body = String::from("{\"envelopes\":[");
        for (number, envelope) in envelopes.into_iter().enumerate() {
            if number > 0 {
                body.push(',');
            }
            body.push_str(envelope);
        }
        body.push_str("]}");
        body.into()
    }
}

impl Envelope {
    /// The envelope as JSON text.
    pub fn to_json(&self) -> String {
        let members = match self {
            Self::Message(message) => EnvelopeMembers::Message(message.members()),
            Self::Status(status) => EnvelopeMembers::Status(status.members()),
        };
        serde_json::to_string(&members).unwrap_or_default()
    }

    /// Reads an envelope, a part of `body`.
    fn read(text: &str, body: &Bytes) -> Result<Self, EnvelopeError> {
        let members: EnvelopeMembers<'_> = serde_json::from_str(text)
            .map_err(|error| malformed(format!("the envelope could not be read: {error}")))?;
        match members {
            EnvelopeMembers::Message(members) => members.read(body).map(Self::Message),
            EnvelopeMembers::Status(members) => members.read().map(Self::Status),
        }
    }
}

impl MessageEnvelope {
    fn members(&self) -> MessageMembers<'_> {
        let (kind, content, contents) = match &self.content {
            MessageContent::Lone { kind, content } => (*kind, Some(content.as_str().into()), None),
            MessageContent::PerDevice(contents) => {
                let contents = contents.iter().map(|(device, one)| (*device, one.members())).collect();
                (None, None, Some(contents))
            }
        };
        MessageMembers {
            id: self.id,
            sender: self.sender.clone(),
            sender_device: self.sender_device,
            receiver: self.receiver.clone(),
            kind,
            registration_id: self.registration_id,
            content,
            contents,
            sent_at: self.sent_at,
        }
    }
}

impl MessageMembers<'_> {
    fn read(self, body: &Bytes) -> Result<MessageEnvelope, EnvelopeError> {
        let read = |(device, one): (DeviceId, DeviceMembers<'_>)| Ok((device, one.read(body)?));
        let content = match (self.content, self.contents) {
            (Some(content), None) => {
                let content = Content::of_frame(content, body).map_err(not_base64)?;
                MessageContent::Lone { kind: self.kind, content }
            }
            (None, Some(contents)) if !contents.is_empty() => {
                let contents: Result<BTreeMap<DeviceId, DeviceContent>, _> = contents.into_iter().map(read).collect();
                MessageContent::PerDevice(contents.map_err(not_base64)?)
            }
            _ => return Err(malformed("a message has \"content\" or \"contents\", and not both")),
        };
        if content.ciphertexts().any(Content::is_too_large) {
            let error = format!("the content for a device has at most {} characters", crate::CONTENT_MAX_CHARS);
            return Err(EnvelopeError { error, code: Code::TooLarge });
        }
        Ok(MessageEnvelope {
            id: self.id,
            sender: self.sender,
            sender_device: self.sender_device,
            receiver: self.receiver,
            content,
            registration_id: self.registration_id,
            sent_at: self.sent_at,
        })
    }
}

impl StatusEnvelope {
    fn members(&self) -> StatusMembers {
        let (message_id, message_ids) = match self.message_ids.as_slice() {
            [one] => (Some(*one), Vec::new()),
            several => (None, several.to_vec()),
        };
        StatusMembers {
            message_id,
            message_ids,
            state: self.state,
            code: self.code,
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
            receiver_device: self.receiver_device,
        }
    }
}

impl StatusMembers {
    fn read(self) -> Result<StatusEnvelope, EnvelopeError> {
        let message_ids = self.message_id.into_iter().chain(self.message_ids).collect::<Vec<_>>();
        if !(1..=MESSAGE_IDS_MAX).contains(&message_ids.len()) {
            return Err(malformed(format!("a status names 1 to {MESSAGE_IDS_MAX} messages")));
        }
        if self.state == State::Sent {
            return Err(malformed("\"sent\" is said by answering a transaction"));
        }
        Ok(StatusEnvelope {
            message_ids,
            state: self.state,
            code: self.code,
            sender: self.sender,
            receiver: self.receiver,
            receiver_device: self.receiver_device,
        })
    }
}

impl EnvelopeResult {
    /// It was taken; `state` is `received` where its device has it.
    pub fn accepted(state: Option<State>) -> Self {
        Self::Accepted { accepted: true, state }
    }

    /// It is to come again.
    pub fn deferred() -> Self {
        Self::Deferred { deferred: true }
    }
}

fn malformed(error: impl Into<String>) -> EnvelopeError {
    EnvelopeError { error: error.into(), code: Code::Malformed }
}

fn not_base64(error: InvalidBase64) -> EnvelopeError {
    malformed(format!("the content could not be read: {error}"))
}
