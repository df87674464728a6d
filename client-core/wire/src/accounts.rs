//! Accounts, tokens, sessions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AccountName, Address, Base64, DeviceId, Timestamp};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Read the own account, search others.
    #[serde(rename = "profile:read")]
    ProfileRead,
    /// Change or delete the own account.
    #[serde(rename = "profile:write")]
    ProfileWrite,
    /// Claim bundles.
    #[serde(rename = "keys:read")]
    KeysRead,
    /// Publish keys.
    #[serde(rename = "keys:write")]
    KeysWrite,
    /// Receive messages.
    #[serde(rename = "messages:read")]
    MessagesRead,
    /// Send messages.
    #[serde(rename = "messages:write")]
    MessagesWrite,
}

/// The text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one of profile:read, profile:write, keys:read, keys:write, messages:read, messages:write")]
pub struct ScopeError;

impl Scope {
    /// Every scope: what a person's log-in gets.
    pub const ALL: [Self; 6] = [
        Self::ProfileRead,
        Self::ProfileWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::MessagesRead,
        Self::MessagesWrite,
    ];

    /// The scope as it stands in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProfileRead => "profile:read",
            Self::ProfileWrite => "profile:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::MessagesRead => "messages:read",
            Self::MessagesWrite => "messages:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

/// Registration.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateAccount {
    /// The wanted name.
    pub name: String,
    /// The password.
    pub password: String,
    /// Device 1's registration id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<u32>,
    /// The account's identity key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub identity_key: Option<Base64>,
    /// The invitation, where registration needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_token: Option<String>,
    /// What the account's holder calls device 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// Logging in.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateToken {
    /// The account's name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// The current code, if the account has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// A recovery code in its stead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<String>,
    /// Which device logs in; 1 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8))]
    pub device_id: DeviceId,
    /// What the account's holder calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// What the tokens may do; everything if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<Scope>>,
}

/// Registered or logged in; the refresh token comes as a cookie beside it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    /// The account.
    pub id: Uuid,
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: AccountName,
    /// The device that the tokens are for.
    #[cfg_attr(feature = "openapi", schema(value_type = u8))]
    pub device_id: DeviceId,
    /// A JWT, valid for 15 minutes.
    pub access_token: String,
}

/// The password was right, and a second factor is needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotpRequired {
    /// Always `totp_required`.
    pub status: String,
}

/// The own account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: AccountName,
    /// Its address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: Address,
    /// When it was registered.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub created_at: Timestamp,
    /// The identity key, once published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub identity_key: Option<Base64>,
    /// The push registration, if there is one.
    #[serde(default, rename = "notificationID", skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<String>,
}

/// A change of the own account: a new password, or the push registration.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct AccountChange {
    /// The current password, with `newPassword`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The password from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_password: Option<String>,
    /// The push registration; `null` removes it, and left out it stays.
    #[serde(rename = "notificationID", skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub notification_id: Option<Option<String>>,
}

/// Confirms the deletion of the own account.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeleteAccount {
    /// The password.
    pub password: String,
    /// The current code, if the account has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundAccounts {
    /// In order of their names.
    pub users: Vec<FoundAccount>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// An account that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundAccount {
    /// Its id, if it is of this homeserver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: AccountName,
    /// Its address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: Address,
}

/// The sessions of the own account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sessions {
    /// Newest use first.
    pub sessions: Vec<Session>,
}

/// A log-in that can still refresh its tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Its device.
    #[cfg_attr(feature = "openapi", schema(value_type = u8))]
    pub device_id: DeviceId,
    /// What the account's holder calls the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// When it began.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub created_at: Timestamp,
    /// When its tokens were last refreshed.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub last_used_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

macro_rules! secret {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), " { [redacted] }"))
            }
        }
    )*};
}

secret!(CreateAccount, CreateToken, LoggedIn, AccountChange, DeleteAccount);

/// Tells a member that is `null` from one that is absent.
#[allow(clippy::option_option)] // three cases are meant: absent, null, a value
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}
