//! Who is spoken of: servers, accounts, devices, messages.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

/// The identifier a message keeps from its sender's outbox to its receiver's device (a UUID; new ones are version 7).
pub type MessageId = Uuid;

/// Why a name, server name, address or device id was refused; each variant's text says what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not `[a-z0-9][a-z0-9._-]{0,63}`.
    #[error("a name has 1 to 64 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit")]
    Account,
    /// Not a DNS name with an optional port.
    #[error("a server name is a DNS name in lower case, with an optional ':port'")]
    Server,
    /// Not `name` or `name@server`.
    #[error("an address is 'name@server'")]
    Address,
    /// Outside 1..=127.
    #[error("a device id is a number from 1 to 127")]
    Device,
}

/// An account's name on its homeserver: `[a-z0-9][a-z0-9._-]{0,63}`. ASCII input is lower-cased. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct AccountName(Arc<str>);

/// A homeserver's name: a DNS name in lower case with an optional `:port`. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerName(Arc<str>);

/// An account anywhere: `name@server`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// The account on its server.
    pub name: AccountName,
    /// The server that holds the account.
    pub server: ServerName,
}

/// A device of an account, 1..=127. A new account has device 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u8")]
pub struct DeviceId(u8);

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ServerName {
    /// The server name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Reads `name@server`, or a bare `name`, which means the account of that name on `home`.
    pub fn parse_on(text: &str, home: &ServerName) -> Result<Self, InvalidName> {
        match text.split_once('@') {
            Some(_) => text.parse(),
            None => Ok(Self { name: text.parse()?, server: home.clone() }),
        }
    }
}

impl DeviceId {
    /// The device every account begins with.
    pub const FIRST: Self = Self(1);

    /// The number, 1..=127.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for DeviceId {
    fn default() -> Self {
        Self::FIRST
    }
}

impl FromStr for AccountName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.to_ascii_lowercase();
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if first && rest && name.len() <= 64 { Ok(Self(name.into())) } else { Err(InvalidName::Account) }
    }
}

impl FromStr for ServerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let port_ok = port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0') && port.parse::<u16>().is_ok()
        });
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if port_ok && host.len() <= 253 && host.split('.').all(label_ok) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::Server)
        }
    }
}

impl FromStr for Address {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (name, server) = text.split_once('@').ok_or(InvalidName::Address)?;
        Ok(Self { name: name.parse()?, server: server.parse()? })
    }
}

impl TryFrom<u64> for DeviceId {
    type Error = InvalidName;

    fn try_from(number: u64) -> Result<Self, InvalidName> {
        match u8::try_from(number) {
            Ok(id @ 1..=127) => Ok(Self(id)),
            _ => Err(InvalidName::Device),
        }
    }
}

impl FromStr for DeviceId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.parse::<u64>().map_err(|_| InvalidName::Device)?.try_into()
    }
}

impl From<DeviceId> for u8 {
    fn from(id: DeviceId) -> u8 {
        id.0
    }
}

macro_rules! string_like {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

string_like!(AccountName);
string_like!(ServerName);
string_like!(Address);

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.server)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
