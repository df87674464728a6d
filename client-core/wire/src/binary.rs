//! Binary in JSON: standard base64 with padding (RFC 4648 section 4).

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

/// The longest `content` of a message for one device, in base64 characters.
pub const CONTENT_MAX_CHARS: usize = 196_608;

/// The text is not canonical standard base64 with padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not standard base64 with padding")]
pub struct InvalidBase64;

/// Bytes that travel as base64: keys and signatures.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Base64(pub Vec<u8>);

/// A ciphertext as it travels: base64 text, checked once and then passed on as it is. Clones share its bytes; one that a
/// frame brought is a part of that frame.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Content(Bytes);

/// A string of a frame: a part of it where it has no escapes.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Characters that are checked at a time; whole groups of four.
const CHECKED: usize = 1024;

impl Content {
    /// Encodes a ciphertext.
    pub fn encode(ciphertext: &[u8]) -> Self {
        Self(STANDARD.encode(ciphertext).into())
    }

    /// The ciphertext that a string of `frame` is, without a copy where the string is a part of it.
    pub(crate) fn of_frame(text: Text<'_>, frame: &Bytes) -> Result<Self, InvalidBase64> {
        check(text.0.as_bytes())?;
        Ok(Self(match text.0 {
            Cow::Borrowed(part) => frame.slice_ref(part.as_bytes()),
            Cow::Owned(text) => text.into(),
        }))
    }

    /// The ciphertext's bytes.
    pub fn decode(&self) -> Vec<u8> {
        STANDARD.decode(&self.0).unwrap_or_default()
    }

    /// The base64 text.
    pub fn as_str(&self) -> &str {
        // Base64 is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether it is longer than [`CONTENT_MAX_CHARS`].
    pub fn is_too_large(&self) -> bool {
        self.0.len() > CONTENT_MAX_CHARS
    }
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl TryFrom<String> for Content {
    type Error = InvalidBase64;

    fn try_from(text: String) -> Result<Self, InvalidBase64> {
        check(text.as_bytes())?;
        Ok(Self(text.into()))
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether text is canonical standard base64 with padding, part by part, so that nothing is allocated for it. Padding
/// ends the last part only.
fn check(text: &[u8]) -> Result<(), InvalidBase64> {
    let mut decoded = [0; CHECKED / 4 * 3];
    let mut parts = text.chunks(CHECKED).peekable();
    while let Some(part) = parts.next() {
        let padded_early = parts.peek().is_some() && part.ends_with(b"=");
        if padded_early || STANDARD.decode_slice(part, &mut decoded).is_err() {
            return Err(InvalidBase64);
        }
    }
    Ok(())
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} characters)", self.0.len())
    }
}

impl TryFrom<String> for Base64 {
    type Error = InvalidBase64;

    fn try_from(text: String) -> Result<Self, InvalidBase64> {
        STANDARD.decode(text).map(Self).map_err(|_| InvalidBase64)
    }
}

impl From<Base64> for String {
    fn from(bytes: Base64) -> String {
        STANDARD.encode(bytes.0)
    }
}

impl From<&[u8]> for Base64 {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({})", STANDARD.encode(&self.0))
    }
}
