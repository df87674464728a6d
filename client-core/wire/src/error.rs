//! How an answer is wrapped, and the codes of failure.

use serde::{Deserialize, Serialize};

use crate::DeviceId;

/// A successful answer: `{"data": …}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Data<T> {
    /// What was asked for.
    pub data: T,
}

/// A failed answer: `{"error": "<sentence>", "code": "<stable_snake_case>"}` and named details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// A sentence for a person.
    pub error: String,
    /// A stable code for a program.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub code: Code,
    /// Details that some codes have.
    #[serde(flatten)]
    pub details: ErrorDetails,
}

/// What stands beside some codes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorDetails {
    /// Seconds to wait before trying again; its presence says that the failure is temporary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// With `key_id_reused`: the highest id ever published for that kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_key_id: Option<u32>,
    /// With `device_mismatch`: devices of the receiver that the message has nothing for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<u8>))]
    pub missing_devices: Vec<DeviceId>,
    /// With `device_mismatch`: devices in the message that the receiver does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<u8>))]
    pub extra_devices: Vec<DeviceId>,
    /// With `device_mismatch`: devices whose registration id has changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<u8>))]
    pub stale_devices: Vec<DeviceId>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why something failed, as a stable code. A code that this version does not know reads as [`Code::Refused`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// The code as it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The code of that text.
            pub fn parse(text: &str) -> Self {
                match text { $($text => Self::$variant,)* _ => Self::Refused }
            }
        }
    };
}

codes! {
    /// The request or frame could not be read.
    Malformed = "malformed",
    /// No token, or one that does not count.
    Unauthorized = "unauthorized",
    /// Wrong name or password.
    WrongCredentials = "wrong_credentials",
    /// The access token is past its time: refresh it.
    TokenExpired = "token_expired",
    /// The session has ended: log in again.
    SessionEnded = "session_ended",
    /// The token lacks a scope.
    MissingScope = "missing_scope",
    /// Someone else's account.
    NotOwner = "not_owner",
    /// An admin has revoked the account.
    AccountRevoked = "account_revoked",
    /// No such account, device, session or route.
    NotFound = "not_found",
    /// The method is not one of this route's.
    MethodNotAllowed = "method_not_allowed",
    /// The name is taken, or was.
    NameTaken = "name_taken",
    /// Registration is closed on this homeserver.
    RegistrationClosed = "registration_closed",
    /// Registration needs an invitation.
    InviteRequired = "invite_required",
    /// Other homeservers may not list this one's users.
    DirectoryClosed = "directory_closed",
    /// The password is too weak.
    WeakPassword = "weak_password",
    /// A one-time key id at or below the highest ever published.
    KeyIdReused = "key_id_reused",
    /// The account has published no keys.
    NoKeys = "no_keys",
    /// A key of the wrong length or type, or a point that is not canonical.
    InvalidKey = "invalid_key",
    /// A signature that the identity key does not verify.
    InvalidSignature = "invalid_signature",
    /// Something that could hold a private key was in the upload.
    PrivateKey = "private_key",
    /// A changed identity key or registration id comes only through `identity`.
    IdentityChanged = "identity_changed",
    /// More one-time keys than a request or an account may hold.
    TooManyKeys = "too_many_keys",
    /// The frame, body or content is too large.
    TooLarge = "too_large",
    /// The set of devices is out of date.
    DeviceMismatch = "device_mismatch",
    /// The receiver does not exist, or no longer.
    ReceiverGone = "receiver_gone",
    /// The receiver's device could not read the message.
    Undecryptable = "undecryptable",
    /// The message lay past the retention time.
    Expired = "expired",
    /// Refused for good.
    Refused = "refused",
    /// The receiver's store is full for now.
    QuotaExceeded = "quota_exceeded",
    /// An earlier message of the pair failed for now: that one first.
    AfterFailed = "after_failed",
    /// The other homeserver cannot be reached from here.
    UnknownServer = "unknown_server",
    /// Another transaction has had that id.
    TransactionReused = "transaction_reused",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// Too many failed log-ins.
    LockedOut = "locked_out",
    /// The server cannot do it now.
    Unavailable = "unavailable",
    /// The server failed; its log says why.
    Internal = "internal",
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}
