//! One server: its trusted keys, and those that nothing explains.

use homeserver::{
    app::App,
    model::PinnedKeys,
    service::peers::{self, PeerDetails},
};
use missive_wire::{Base64, FederationKey, ServerName, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::Peer;
use crate::{
    failure::Failure,
    output::{Output, count, minute, printable, table},
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    peer: Peer,
    incarnation: Option<Uuid>,
    keys: Vec<Pinned>,
    recovery_key: Option<Base64>,
    unexplained: Option<Unexplained>,
}

/// A key that was pinned or vouched for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pinned {
    key_id: String,
    public_key: Base64,
    valid_from: Timestamp,
    /// The end that counts.
    valid_until: Timestamp,
    revoked: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Unexplained {
    noticed_at: Timestamp,
    changes: Vec<String>,
    keys: Vec<FederationKey>,
    /// It would be pinned with the keys.
    recovery_key: Option<Base64>,
}

/// Shows one server.
pub(in crate::commands) async fn show(app: &App, server: &ServerName, output: Output) -> Result<(), Failure> {
    output.print(&Shown::from(peers::details(app, server).await?), describe)
}

/// What is unexplained, in words, and the keys to compare.
pub(super) fn describe_unexplained(changes: &[String], keys: &[FederationKey]) -> String {
    let mut lines: Vec<String> = changes.iter().map(|change| format!("- {}", printable(change))).collect();
    let rows = keys.iter().map(|key| {
        let public = String::from(key.public_key.clone());
        [key.key_id.clone(), public, minute(key.valid_from), minute(key.valid_until)]
    });
    lines.push("\nIts keys now".to_owned());
    lines.push(table(["KEY", "PUBLIC KEY", "VALID FROM (UTC)", "VALID UNTIL"], rows));
    lines.join("\n")
}

/// What becomes of the recovery key, in words.
pub(super) fn describe_recovery(before: Option<&Base64>, now: Option<&Base64>) -> String {
    let text = |key: &Base64| String::from(key.clone());
    match (before, now) {
        (None, None) => "It has no recovery key, and had none before.".to_owned(),
        (None, Some(now)) => format!("Its recovery key, which is new: {}", text(now)),
        (Some(before), None) => format!("It has no recovery key any more. The one before: {}", text(before)),
        (Some(before), Some(now)) if before == now => format!("Its recovery key, the same as before: {}", text(now)),
        (Some(before), Some(now)) => {
            format!("Its recovery key, which is another: {}\nThe one before: {}", text(now), text(before))
        }
    }
}

fn describe(shown: &Shown) -> String {
    let mut lines = standing(&shown.peer);
    let incarnation = shown.incarnation.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    lines.push(format!("incarnation: {incarnation}\n\nTrusted keys"));
    let header = ["KEY", "PUBLIC KEY", "VALID FROM (UTC)", "VALID UNTIL", "STATE"];
    lines.push(table(header, shown.keys.iter().map(Pinned::row)));
    lines.push(match &shown.recovery_key {
        Some(key) => format!("\nRecovery key: {}", String::from(key.clone())),
        None => "\nIt had no recovery key when it was first met.".to_owned(),
    });
    if let Some(unexplained) = &shown.unexplained {
        let since = minute(unexplained.noticed_at);
        lines.push(format!("\nNothing explains what it publishes since {since} UTC:"));
        lines.push(describe_unexplained(&unexplained.changes, &unexplained.keys));
        let recovery = describe_recovery(shown.recovery_key.as_ref(), unexplained.recovery_key.as_ref());
        lines.push(format!("\n{recovery}"));
        lines.push(format!(
            "\nCompare the public keys with its admin, by another way than the servers. If they are right:\n\
             missivectl federation peer accept {}",
            shown.peer.server
        ));
    }
    lines.join("\n")
}

fn standing(peer: &Peer) -> Vec<String> {
    let reached = peer.reached_at.map_or_else(|| "never reached".to_owned(), |at| format!("reached {}", minute(at)));
    let mut lines = vec![format!("{}  met {} UTC, {reached}", peer.server, minute(peer.met_at))];
    if let Some(since) = peer.failing_since {
        let (error, tries) = (peer.last_error.as_deref().unwrap_or_default(), count(peer.failures, "attempt"));
        lines.push(format!("not reached since {} ({tries}): {}", minute(since), printable(error)));
    }
    lines.extend(peer.next_try.map(|at| format!("tried again {}", minute(at))));
    lines.push(format!("waiting envelopes: {}", peer.waiting));
    lines
}

impl Pinned {
    fn row(&self) -> [String; 5] {
        [
            self.key_id.clone(),
            String::from(self.public_key.clone()),
            minute(self.valid_from),
            minute(self.valid_until),
            if self.revoked { "revoked" } else { "trusted" }.to_owned(),
        ]
    }
}

impl From<PeerDetails> for Shown {
    fn from(details: PeerDetails) -> Self {
        let PeerDetails { peer, pins } = details;
        Self {
            incarnation: peer.incarnation,
            peer: peer.into(),
            recovery_key: pins.pinned.recovery_key.as_ref().map(|key| Base64::from(&key[..])),
            keys: keys(&pins.pinned),
            unexplained: pins.unexplained.map(|one| Unexplained {
                noticed_at: one.noticed_at,
                changes: one.changes,
                keys: one.keys.keys,
                recovery_key: one.keys.recovery_key,
            }),
        }
    }
}

/// The oldest first.
fn keys(pinned: &PinnedKeys) -> Vec<Pinned> {
    let mut keys: Vec<Pinned> = pinned
        .keys
        .iter()
        .map(|(id, key)| Pinned {
            key_id: id.clone(),
            public_key: Base64::from(&key.public_key[..]),
            valid_from: key.valid_from,
            valid_until: key.ends_at.min(key.valid_until),
            revoked: pinned.revoked.contains(id),
        })
        .collect();
    keys.sort_by_key(|key| key.valid_from);
    keys
}
