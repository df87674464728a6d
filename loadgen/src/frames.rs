//! The frames: what is sent, checkable by whoever receives it, and what is read.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::RngCore as _;
use serde::Deserialize;
use uuid::Uuid;

/// The bytes of a message's content, before base64.
const CONTENT_BYTES: usize = 256;
/// The id and the time of sending stand first in it …
const STAMP_BYTES: usize = 24;
/// … which is so many characters of base64.
const STAMP_CHARS: usize = 32;

/// The most pairs of a lot.
pub const PAIRS_MAX: u16 = 4096;

/// Messages that are sent and checked together: their ids (UUIDs of version 7) say which lot, pair and place.
#[derive(Debug, Clone)]
pub struct Lot {
    base: [u8; 16],
    filler: String,
}

impl Lot {
    /// A new lot; no message of another is taken for one of it.
    pub fn new() -> Self {
        let mut filler = [0; CONTENT_BYTES - STAMP_BYTES];
        rand::rng().fill_bytes(&mut filler);
        Self { base: Uuid::now_v7().into_bytes(), filler: STANDARD.encode(filler) }
    }

    /// The id of a message.
    pub fn id(&self, pair: u16, place: u32) -> Uuid {
        let mut bytes = self.base;
        let [high, low] = pair.to_be_bytes();
        bytes[6] = 0x70 | (high & 0x0f);
        bytes[7] = low;
        bytes[12..].copy_from_slice(&place.to_be_bytes());
        Uuid::from_bytes(bytes)
    }

    /// The pair and place of an id; `None` if it is not of this lot.
    pub fn place(&self, id: Uuid) -> Option<(u16, u32)> {
        let bytes = id.into_bytes();
        let pair = u16::from_be_bytes([bytes[6] & 0x0f, bytes[7]]);
        let place = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        (self.id(pair, place) == id).then_some((pair, place))
    }

    /// Writes a message frame, stamped with the time of sending.
    pub fn message(&self, text: &mut String, id: Uuid, receiver: &str, nanos: u64) {
        let mut stamp = [0; STAMP_BYTES];
        stamp[..16].copy_from_slice(id.as_bytes());
        stamp[16..].copy_from_slice(&nanos.to_be_bytes());
        let _ = write!(text, r#"{{"id":"{}","receiver":"{receiver}","content":""#, id.hyphenated());
        STANDARD.encode_string(stamp, text);
        text.push_str(&self.filler);
        text.push_str("\"}");
    }

    /// The time of sending, if the content is what was sent under that id.
    pub fn sent_at(&self, id: Uuid, content: &str) -> Option<u64> {
        let (stamp, filler) = content.split_at_checked(STAMP_CHARS)?;
        let mut bytes = [0; STAMP_BYTES];
        STANDARD.decode_slice(stamp, &mut bytes).ok()?;
        let (stamped, nanos) = bytes.split_at(16);
        let intact = stamped == id.as_bytes() && filler == self.filler;
        intact.then(|| u64::from_be_bytes(nanos.try_into().unwrap_or_default()))
    }
}

/// Writes a status frame: these messages of that sender's have been received.
pub fn received(text: &mut String, ids: &[Uuid], sender: &str) {
    text.push_str(r#"{"messageIds":"#);
    list(text, ids);
    let _ = write!(text, r#","state":"received","receiver":"{sender}","senderDevice":1}}"#);
}

/// Writes the acknowledgement of stored statuses.
pub fn status_ack(text: &mut String, ids: &[Uuid]) {
    text.push_str(r#"{"statusAck":{"messageIds":"#);
    list(text, ids);
    text.push_str(r#","state":"received"}}"#);
}

fn list(text: &mut String, ids: &[Uuid]) {
    for (index, id) in ids.iter().enumerate() {
        let _ = write!(text, "{}\"{}\"", if index == 0 { '[' } else { ',' }, id.hyphenated());
    }
    text.push(']');
}

/// A frame of the server's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incoming<'a> {
    /// A message's id.
    pub id: Option<Uuid>,
    /// A message's sender, or a status's.
    #[serde(borrow)]
    pub sender: Option<&'a str>,
    /// A message's content.
    pub content: Option<&'a str>,
    /// A status's state.
    pub state: Option<&'a str>,
    /// The message of a status.
    pub message_id: Option<Uuid>,
    /// The messages of a status.
    #[serde(default)]
    pub message_ids: Vec<Uuid>,
    /// The greeting.
    pub hello: Option<Hello>,
    /// Whether everything pending has been sent.
    #[serde(default)]
    pub drained: bool,
}

/// The greeting.
#[derive(Debug, Deserialize)]
pub struct Hello {
    /// How many messages wait.
    pub pending: u64,
}

impl<'a> Incoming<'a> {
    /// Reads a frame.
    pub fn parse(text: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .with_context(|| format!("a frame that cannot be read: {}", String::from_utf8_lossy(text)))
    }

    /// The messages that a status speaks of.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.message_id.into_iter().chain(self.message_ids.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_lot_pair_and_place() {
        let (lot, other) = (Lot::new(), Lot::new());
        let id = lot.id(4095, 7_000_000);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(lot.place(id), Some((4095, 7_000_000)));
        assert_eq!(other.place(id), None);
        assert!(lot.id(3, 1) < lot.id(3, 2));
    }

    #[test]
    fn a_message_comes_back_whole_or_is_refused() {
        let lot = Lot::new();
        let id = lot.id(1, 2);
        let mut text = String::new();
        lot.message(&mut text, id, "bob", 12_345);
        let frame = Incoming::parse(text.as_bytes()).unwrap();
        let content = frame.content.unwrap();
        assert_eq!(STANDARD.decode(content).unwrap().len(), CONTENT_BYTES);
        assert_eq!((frame.id, lot.sent_at(id, content)), (Some(id), Some(12_345)));
        assert_eq!(lot.sent_at(lot.id(1, 3), content), None);
        assert_eq!(lot.sent_at(id, &content[..40]), None);
        assert_eq!(lot.sent_at(id, "é"), None);
    }

    #[test]
    fn statuses_name_their_messages() {
        let lot = Lot::new();
        let ids = [lot.id(0, 0), lot.id(0, 1)];
        let mut text = String::new();
        received(&mut text, &ids, "ann@one.example");
        let frame = Incoming::parse(text.as_bytes()).unwrap();
        assert_eq!((frame.state, frame.ids().collect::<Vec<_>>()), (Some("received"), ids.to_vec()));
        text.clear();
        status_ack(&mut text, &ids);
        let ack: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(ack["statusAck"]["messageIds"].as_array().unwrap().len(), 2);
    }
}
