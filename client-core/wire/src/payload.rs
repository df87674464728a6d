//! Inside the ciphertext: what one client says to another.

use serde::{Deserialize, Serialize};

use crate::{Address, MessageId, Timestamp};

/// Plaintexts are padded to a multiple of this many bytes, so that lengths tell little.
pub const PADDING_BLOCK: usize = 160;

/// The version of [`Payload`] that this crate writes and reads.
const VERSION: u64 = 1;

/// What is encrypted. A receiver refuses one whose `id`, `sender` or `receiver` is not its frame's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// The version: 1.
    pub v: u64,
    /// The frame's id.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: Address,
    /// For whom.
    pub receiver: Address,
    /// When it was written.
    pub sent_at: Timestamp,
    /// What was written.
    pub body: Body,
    /// The message that this one stands for: a device that has that one does not show this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The text; a body without one is of a kind that this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Why a plaintext was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The padding is not a 0x80 byte and zeros.
    #[error("the message's padding is broken")]
    Padding,
    /// Not the JSON of a payload.
    #[error("the message's content could not be read")]
    Malformed,
    /// A version that this program does not know.
    #[error("the message is of version {0}, which this program does not know")]
    Version(u64),
}

impl Payload {
    /// A text message.
    pub fn text(id: MessageId, sender: Address, receiver: Address, sent_at: Timestamp, text: String) -> Self {
        Self { v: VERSION, id, sender, receiver, sent_at, body: Body { text: Some(text) }, replaces: None }
    }

    /// The padded plaintext to encrypt.
    pub fn to_plaintext(&self) -> Vec<u8> {
        pad(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a decrypted, padded plaintext.
    pub fn from_plaintext(plaintext: &[u8]) -> Result<Self, PayloadError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let json = unpad(plaintext)?;
        let version: Version = serde_json::from_slice(json).map_err(|_| PayloadError::Malformed)?;
        if version.v != VERSION {
            return Err(PayloadError::Version(version.v));
        }
        serde_json::from_slice(json).map_err(|_| PayloadError::Malformed)
    }
}

/// Adds a 0x80 byte, then zeros, to a multiple of [`PADDING_BLOCK`] (as Signal does).
pub fn pad(mut plaintext: Vec<u8>) -> Vec<u8> {
    plaintext.push(0x80);
    plaintext.resize(plaintext.len().next_multiple_of(PADDING_BLOCK), 0);
    plaintext
}

/// Takes the padding off again.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PayloadError> {
    let end = padded.iter().rposition(|&byte| byte != 0).ok_or(PayloadError::Padding)?;
    if padded[end] == 0x80 { Ok(&padded[..end]) } else { Err(PayloadError::Padding) }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("v", &self.v).field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body { [redacted] }")
    }
}
