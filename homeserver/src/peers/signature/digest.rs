//! `Content-Digest` (RFC 9530) with SHA-256: what binds a body to the signed headers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use sfv::{BareItem, ListEntry};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{SignatureError, structured::dictionary};

/// The SHA-256 digest of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest([u8; 32]);

/// Digests a body while it is read.
#[derive(Clone)]
pub struct BodyHasher {
    hasher: Sha256,
    expected: BodyDigest,
}

impl BodyDigest {
    /// The digest of a whole body; a message without a body has that of nothing.
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// What `Content-Digest` says. Digests of other algorithms beside it are ignored.
    pub fn read(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let members = dictionary(headers, "content-digest")?.ok_or(SignatureError::NoDigest)?;
        match members.get("sha-256") {
            Some(ListEntry::Item(item)) => match &item.bare_item {
                BareItem::ByteSequence(bytes) => bytes.as_slice().try_into().map(Self).ok(),
                _ => None,
            },
            _ => None,
        }
        .ok_or(SignatureError::NoDigest)
    }

    /// The header's value.
    pub fn header(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(self.0))
    }

    /// The digest itself: with it, a repeated transaction is recognised.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is the body that was signed.
    pub fn check(&self, body: &[u8]) -> Result<(), SignatureError> {
        self.compare(Self::of(body))
    }

    /// For a body that comes in parts.
    pub fn hasher(&self) -> BodyHasher {
        BodyHasher { hasher: Sha256::new(), expected: *self }
    }

    fn compare(self, other: Self) -> Result<(), SignatureError> {
        if bool::from(self.0.ct_eq(&other.0)) { Ok(()) } else { Err(SignatureError::WrongBody) }
    }
}

impl BodyHasher {
    /// Takes the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
    }

    /// Whether the parts were the body that was signed.
    pub fn finish(self) -> Result<(), SignatureError> {
        self.expected.compare(BodyDigest(self.hasher.finalize().into()))
    }
}
