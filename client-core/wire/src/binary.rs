//! Binary in JSON: standard base64 with padding (RFC 4648 section 4).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The longest `content` of a message for one device, in base64 characters.
pub const CONTENT_MAX_CHARS: usize = 196_608;

/// The text is not canonical standard base64 with padding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not standard base64 with padding")]
pub struct InvalidBase64;

/// Bytes that travel as base64: keys and signatures.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Base64(pub Vec<u8>);

/// A ciphertext as it travels: base64 text, checked once and then passed on as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Content(String);

impl Content {
    /// Encodes a ciphertext.
    pub fn encode(ciphertext: &[u8]) -> Self {
        Self(STANDARD.encode(ciphertext))
    }

    /// The ciphertext's bytes.
    pub fn decode(&self) -> Vec<u8> {
        STANDARD.decode(&self.0).unwrap_or_default()
    }

    /// The base64 text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is longer than [`CONTENT_MAX_CHARS`].
    pub fn is_too_large(&self) -> bool {
        self.0.len() > CONTENT_MAX_CHARS
    }
}

impl TryFrom<String> for Content {
    type Error = InvalidBase64;

    fn try_from(text: String) -> Result<Self, InvalidBase64> {
        STANDARD.decode(&text).map_err(|_| InvalidBase64)?;
        Ok(Self(text))
    }
}

impl From<Content> for String {
    fn from(content: Content) -> String {
        content.0
    }
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
