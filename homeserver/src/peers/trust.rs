//! Which of a server's federation keys are trusted.
//!
//! The first keys met are pinned. Afterwards a key is trusted only through statements: each names one key as the one
//! after its signer, and the signer must have been valid when the new key begins. What no statement explains is kept
//! aside, for an admin to see and to accept ([`first`] anew) or not; what was trusted before stays trusted.
//!
//! - A key has one successor, ever. A statement for a second one is an unexplained change; two that come together are
//!   both.
//! - A revoked key signs nothing: neither requests nor its successor. So what rests on it alone is not trusted either.
//! - The recovery key, pinned like the others, signs revocations, and statements that put a key in place of all that
//!   were trusted before. Of these the newest `validFrom` counts; one that lies in the future counts when it comes.
//! - A recovery key that changes, or appears after the first time, is an unexplained change and is not used.
//!
//! All of it is pure: pinned keys and a document go in, pinned keys come out.

mod chain;
mod change;
mod document;
mod effort;
mod recovery;
mod statement;

use ed25519_dalek::VerifyingKey;
use missive_wire::{ServerName, Timestamp};

pub use change::Change;
pub use document::{DocumentError, Entry, KeyDocument, Revoked, Signer, Statement};
pub use statement::{revocation_lines, rotation_lines};

use super::signature::SKEW_SECONDS;
use crate::model::{PinnedKey, PinnedKeys};

/// The most keys that are remembered of a server. One that makes a new key each week gets there after 78 years.
pub const PINNED_MAX: usize = 4_096;

/// What a newly fetched document means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is explained: to be remembered in place of what was pinned.
    Trusted(PinnedKeys),
    /// Some of it is not.
    Unexplained {
        /// What is explained, to be remembered all the same.
        trusted: PinnedKeys,
        /// What is not: for the admin.
        changes: Vec<Change>,
    },
}

/// Why a server's first keys are not pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirstKeysError {
    /// There is none.
    #[error("the server publishes no keys")]
    NoKeys,
    /// More than would be looked at for a server of which nothing is known.
    #[error("the server publishes more than {} {what} that would have to be checked", effort::FIRST_MAX)]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// The document contradicts itself.
    #[error("the server's keys contradict each other: {}", change::list(.0))]
    Contradiction(Vec<Change>),
}

/// Why a signature with some key does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No trusted key has that id. It may be new: look for it.
    #[error("no trusted key of that server has this id")]
    Unknown,
    /// It signs later.
    #[error("the key is not valid yet: check both servers' clocks")]
    NotYetValid,
    /// It no longer signs.
    #[error("the key has ended")]
    Ended,
    /// It counts for nothing, or rests on one that does not.
    #[error("the key is revoked, or the key that vouched for it is")]
    Revoked,
}

/// Pins the keys of a server that was never met, or whose unexplained keys an admin accepts.
pub fn first(server: &ServerName, document: &KeyDocument, now: Timestamp) -> Result<PinnedKeys, FirstKeysError> {
    if document.keys.is_empty() {
        return Err(FirstKeysError::NoKeys);
    }
    effort::check(document)?;
    let pinned = PinnedKeys {
        keys: document.keys.iter().map(|entry| (entry.key_id.clone(), pin(entry))).collect(),
        successors: std::collections::BTreeMap::new(),
        revoked: std::collections::BTreeSet::new(),
        recovery_key: document.recovery_key,
        recovered_at: None,
    };
    match judge(server, &pinned, document, now) {
        Verdict::Trusted(pinned) => Ok(pinned),
        Verdict::Unexplained { changes, .. } => Err(FirstKeysError::Contradiction(changes)),
    }
}

/// What a document that was fetched now means to one that has pinned these keys. Judging the result against the same
/// document changes nothing.
pub fn judge(server: &ServerName, pinned: &PinnedKeys, document: &KeyDocument, now: Timestamp) -> Verdict {
    let mut trusted = pinned.clone();
    let mut changes = Vec::new();
    recovery::revoke(server, &mut trusted, document, &mut changes);
    let announced = recovery::recover(server, &mut trusted, document, now, &mut changes);
    chain::extend(server, &mut trusted, document, &mut changes);
    compare(&mut trusted, document, &announced, &mut changes);
    if changes.is_empty() { Verdict::Trusted(trusted) } else { Verdict::Unexplained { trusted, changes } }
}

/// The key of that id, if what it signed at `at` counts.
pub fn key(pinned: &PinnedKeys, key_id: &str, at: Timestamp) -> Result<VerifyingKey, KeyError> {
    if pinned.revoked.contains(key_id) {
        return Err(KeyError::Revoked);
    }
    let key = pinned.keys.get(key_id).ok_or(KeyError::Unknown)?;
    if !chain::counts(pinned, key_id) {
        return Err(KeyError::Revoked);
    }
    // A server may sign with a new key while its clock is a little behind the one that chose `validFrom`.
    if at.millis() + SKEW_SECONDS * 1_000 < key.valid_from.millis() {
        return Err(KeyError::NotYetValid);
    }
    if at >= key.ends_at.min(key.valid_until) {
        return Err(KeyError::Ended);
    }
    VerifyingKey::from_bytes(&key.public_key).map_err(|_| KeyError::Unknown)
}

/// Compares the entries with what is trusted by now. `announced` are keys that the recovery key has signed for and whose
/// time has not come.
fn compare(trusted: &mut PinnedKeys, document: &KeyDocument, announced: &[String], changes: &mut Vec<Change>) {
    for entry in &document.keys {
        let id = entry.key_id.clone();
        match trusted.keys.get_mut(&id) {
            Some(key) if key.public_key != entry.public_key => changes.push(Change::OtherKey { key_id: id }),
            Some(key) => {
                key.ends_at = key.valid_until.min(entry.valid_until);
                if entry.valid_until > key.valid_until {
                    changes.push(Change::Prolonged { key_id: id });
                }
            }
            None if announced.contains(&id) || trusted.revoked.contains(&id) => {}
            // What the recovery key has put aside may still be published for a while. It counts for nothing here.
            None if trusted.recovered_at.is_some_and(|at| entry.valid_from < at) => {}
            None => changes.push(Change::UnknownKey { key_id: id }),
        }
    }
}

fn pin(entry: &Entry) -> PinnedKey {
    PinnedKey {
        public_key: entry.public_key,
        valid_from: entry.valid_from,
        valid_until: entry.valid_until,
        ends_at: entry.valid_until,
    }
}
