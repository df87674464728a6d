//! Public keys: what a device publishes and what others claim.

use serde::{Deserialize, Serialize};

use crate::{Base64, DeviceId};

/// The most one-time keys of a kind in one request.
pub const ONE_TIME_KEYS_PER_UPLOAD: usize = 200;

/// The most one-time keys of a kind that a device stores.
pub const ONE_TIME_KEYS_STORED: usize = 1_000;

/// A one-time EC pre-key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PreKey {
    /// Rises with every key published.
    pub key_id: u32,
    /// 33 bytes: the type 0x05, then the point.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub public_key: Base64,
}

/// A signed pre-key: EC (33 bytes) or Kyber-1024 (1,569 bytes: the type 0x08, then the key).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignedPreKey {
    /// Rises with every key published.
    pub key_id: u32,
    /// The key with its type byte.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub public_key: Base64,
    /// `XEdDSA` by the identity key over `publicKey`, 64 bytes.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub signature: Base64,
}

/// What a device publishes. All but the two lists is owed at the first upload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct KeyUpload {
    /// The account's identity key, 33 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub identity_key: Option<Base64>,
    /// The device's registration id, 1..=16380.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<u32>,
    /// The current signed EC pre-key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_pre_key: Option<SignedPreKey>,
    /// One-time EC pre-keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_keys: Vec<PreKey>,
    /// The current signed Kyber pre-key, given out when no one-time one is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pq_last_resort_pre_key: Option<SignedPreKey>,
    /// One-time signed Kyber pre-keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pq_pre_keys: Vec<SignedPreKey>,
}

/// Rotation of the two keys that are not one-time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignedKeyRotation {
    /// The new signed EC pre-key, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_pre_key: Option<SignedPreKey>,
    /// The new signed Kyber pre-key, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pq_last_resort_pre_key: Option<SignedPreKey>,
}

/// Starting over after a lost device: a whole upload with a new identity key.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartOver {
    /// The account's password.
    pub password: String,
    /// The current code, if the account has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// The new keys.
    #[serde(flatten)]
    pub keys: KeyUpload,
}

/// A bundle of every device of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimedBundle {
    /// The account's identity key.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub identity_key: Base64,
    /// One for each device that has published keys.
    pub devices: Vec<ClaimedDevice>,
}

/// The keys of one device to build a session with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimedDevice {
    /// Which.
    #[cfg_attr(feature = "openapi", schema(value_type = u8))]
    pub device_id: DeviceId,
    /// Its registration id.
    pub registration_id: u32,
    /// Its signed EC pre-key.
    pub signed_pre_key: SignedPreKey,
    /// A one-time EC pre-key, while there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_key: Option<PreKey>,
    /// A one-time Kyber pre-key, else the last-resort one.
    pub pq_pre_key: SignedPreKey,
}

/// How many one-time keys a device has left, and what it has published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyCount {
    /// EC.
    pub pre_keys: u64,
    /// Kyber.
    pub pq_pre_keys: u64,
    /// The account's identity key, once published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub identity_key: Option<Base64>,
    /// SHA-256 of identityKey ‖ registrationId ‖ keyId ‖ publicKey of signedPreKey ‖ keyId ‖ publicKey of
    /// pqLastResortPreKey (numbers u32 big-endian), in base64; absent before the first upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub digest: Option<Base64>,
}

impl std::fmt::Debug for StartOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartOver").field("keys", &self.keys).finish_non_exhaustive()
    }
}
