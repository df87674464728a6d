//! What a homeserver publishes of itself: where it is reached, and the keys that verify what it says to others.

use serde::{Deserialize, Serialize};

use crate::{Base64, ServerName, Timestamp};

/// The version of the federation protocol that this library has the types of.
pub const FEDERATION_VERSION: &str = "1";

/// The `signedBy` of a statement that the recovery key signed. No key has this id.
pub const SIGNED_BY_RECOVERY: &str = "recovery";

/// The body of `/.well-known/missive/server`; it is not inside `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerDocument {
    /// The name in every address of the server. A document with another name than was asked for is not that server's.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub server_name: ServerName,
    /// Where its routes begin: `<baseUrl>/federation/v1/…`.
    pub base_url: String,
    /// The versions of the federation protocol that it speaks.
    pub versions: Vec<String>,
    /// Its keys. Where a document has none, they are at `<baseUrl>/federation/v1/keys`.
    #[serde(flatten)]
    pub keys: ServerKeys,
}

/// The `data` of `/federation/v1/keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerKeys {
    /// The keys that verify now or will, oldest first.
    #[serde(default)]
    pub keys: Vec<FederationKey>,
    /// A statement for every key but the first, oldest first.
    #[serde(default)]
    pub rotations: Vec<Rotation>,
    /// Keys that count for nothing any more.
    #[serde(default)]
    pub revocations: Vec<Revocation>,
    /// The public half of the recovery key, once there is one: Ed25519, 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub recovery_key: Option<Base64>,
}

/// A public key, and when it verifies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FederationKey {
    /// Its id, unique for the server.
    pub key_id: String,
    /// What it signs with.
    pub algorithm: FederationAlgorithm,
    /// 32 bytes.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub public_key: Base64,
    /// It verifies what was signed from here …
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub valid_from: Timestamp,
    /// … until here.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub valid_until: Timestamp,
}

/// How a federation key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum FederationAlgorithm {
    /// RFC 8032, pure.
    Ed25519,
}

/// The statement that a key is the server's: the key's entry as it was signed, by whom, and the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// The new key. Its `validUntil` may lie behind that of its entry in `keys`, which ends sooner once it is replaced.
    #[serde(flatten)]
    pub key: FederationKey,
    /// The id of the key before it, or [`SIGNED_BY_RECOVERY`].
    pub signed_by: String,
    /// Ed25519, 64 bytes, over the lines `missive-key-rotation`, server name, `signedBy`, `keyId`, `publicKey`,
    /// `validFrom` and `validUntil`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub signature: Base64,
}

/// The statement that a key counts for nothing, not even for its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Which key.
    pub key_id: String,
    /// When it was revoked. What it signed before counts for nothing either.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub revoked_at: Timestamp,
    /// By the recovery key, 64 bytes, over the lines `missive-key-revocation`, server name, `keyId` and `revokedAt`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub signature: Base64,
}
