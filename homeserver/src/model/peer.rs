//! Other homeservers: which of them are meant, and what is remembered of their keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use missive_wire::{PeerIncarnation, ServerKeys, ServerName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which servers are meant: `two.example` (on any port), `two.example:8448` (on that port only), `*.two.example` (every
/// name below it, not itself), or `*` (all).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerPattern {
    /// Whether names below `host` are meant, in place of itself.
    below: bool,
    /// Without it, all.
    host: Option<String>,
    port: Option<String>,
}

/// The text is no pattern of server names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server is written like 'two.example' or 'two.example:8448', all below it like '*.two.example', all as '*'")]
pub struct InvalidPattern;

/// What is remembered of a server's federation keys from the first time they were met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedKeys {
    /// Every key that is or was trusted, by its id, until the recovery key puts another in their place.
    pub keys: BTreeMap<String, PinnedKey>,
    /// Which key each key named as the one after it. There is one, ever.
    pub successors: BTreeMap<String, String>,
    /// The keys that count for nothing any more.
    pub revoked: BTreeSet<String>,
    /// The server's recovery key, if it had one when its keys were first met.
    pub recovery_key: Option<[u8; 32]>,
    /// The `validFrom` of the newest key that the recovery key put in place of all others.
    pub recovered_at: Option<Timestamp>,
}

/// A federation key that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedKey {
    /// Ed25519.
    pub public_key: [u8; 32],
    /// It verifies what was signed from here …
    pub valid_from: Timestamp,
    /// … until here: what is signed, or was pinned, and cannot be made longer.
    pub valid_until: Timestamp,
    /// Where the server says that it ends sooner, since it has been replaced.
    pub ends_at: Timestamp,
}

/// What another server publishes of its keys, that nothing it had before explains. An admin accepts it, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexplained {
    /// When it was first seen.
    pub noticed_at: Timestamp,
    /// What is unexplained of it, in words.
    pub changes: Vec<String>,
    /// All that the server publishes of its keys.
    pub keys: ServerKeys,
}

/// Another server whose keys were met, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Which.
    pub server: ServerName,
    /// When its keys were pinned first.
    pub met_at: Timestamp,
    /// When it last gave a signed answer, to the minute.
    pub reached_at: Option<Timestamp>,
    /// Since when it cannot be reached.
    pub failing_since: Option<Timestamp>,
    /// How often it was tried since then.
    pub failures: u64,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
    /// Why it could not be reached last.
    pub last_error: Option<String>,
    /// Its incarnation, as it last said.
    pub incarnation: Option<Uuid>,
    /// Whether it publishes keys that nothing explains.
    pub has_unexplained: bool,
    /// How many envelopes wait for it.
    pub waiting: u64,
}

/// Another server that was restored from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Which, and what its incarnation is now.
    pub peer: PeerIncarnation,
    /// When that was noticed, by the retention clock.
    pub at: i64,
}

impl Unexplained {
    /// Whether another time says the same: an admin was told then.
    pub fn is_same(&self, other: &Self) -> bool {
        self.changes == other.changes && self.keys == other.keys
    }
}

impl ServerPattern {
    /// Whether that server is meant.
    pub fn matches(&self, server: &ServerName) -> bool {
        let (host, port) = split(server.as_str());
        let port_fits = self.port.is_none() || self.port.as_deref() == port;
        let host_fits = match &self.host {
            None => true,
            Some(wanted) if self.below => {
                host.strip_suffix(wanted.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Some(wanted) => host == wanted,
        };
        port_fits && host_fits
    }
}

impl FromStr for ServerPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text == "*" {
            return Ok(Self { below: true, host: None, port: None });
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let name: ServerName = name.parse().map_err(|_| InvalidPattern)?;
        let (host, port) = split(name.as_str());
        Ok(Self { below, host: Some(host.to_owned()), port: port.map(str::to_owned) })
    }
}

impl TryFrom<String> for ServerPattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl fmt::Display for ServerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(host) = &self.host else { return f.write_str("*") };
        let (below, colon) = (if self.below { "*." } else { "" }, if self.port.is_some() { ":" } else { "" });
        write!(f, "{below}{host}{colon}{}", self.port.as_deref().unwrap_or_default())
    }
}

fn split(server: &str) -> (&str, Option<&str>) {
    server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)))
}
