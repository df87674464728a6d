//! This server's federation keys together: which of them signs, which verify, and what is published.

use std::sync::Arc;

use missive_wire::{
    Base64, FederationAlgorithm, FederationKey, Revocation, Rotation, SIGNED_BY_RECOVERY, ServerKeys, Timestamp,
};

use super::SigningKey;
use crate::{
    keys::{MasterKey, MasterKeyError},
    model::FederationKeyRow,
};

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// How long a key lives, unless it is replaced: five years. Its statement says so, and cannot be changed.
pub const LIFETIME_MILLIS: i64 = 5 * 365 * DAY;

/// How long a replaced key still verifies: what it signed may wait in a queue or be on its way.
pub const OVERLAP_MILLIS: i64 = 7 * DAY;

/// How long a key is published before it signs, where another can sign meanwhile: longer than caches keep the document
/// and replicas take to hear of it. A peer looks for a key that it does not know only now and then.
pub const NOTICE_MILLIS: i64 = 10 * 60 * 1_000;

/// A key whose end is nearer than this is replaced by the server itself.
const RENEWAL_MILLIS: i64 = 90 * DAY;

/// This server's federation keys, oldest first.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<OwnKey>,
    recovery: Option<Vec<u8>>,
}

/// One of them.
#[derive(Debug)]
pub struct OwnKey {
    /// What is stored of it.
    pub row: FederationKeyRow,
    /// The pair, as long as it may sign.
    pub pair: Option<Arc<SigningKey>>,
}

/// What a key is for at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It will sign: it is not valid yet, or peers cannot all know it yet.
    Next,
    /// It signs.
    Signing,
    /// It is replaced, and still verifies.
    Verifying,
    /// It is past its end.
    Ended,
    /// It counts for nothing.
    Revoked,
    /// A key that it got its trust from is revoked: it counts for nothing.
    Orphaned,
}

impl KeyRing {
    /// The ring of these keys, in the order of their positions, and the public half of the recovery key.
    pub fn open(
        rows: Vec<FederationKeyRow>,
        recovery: Option<Vec<u8>>,
        master: &MasterKey,
    ) -> Result<Self, MasterKeyError> {
        let open = |row: FederationKeyRow| {
            let pair = row.sealed.as_ref().map(|sealed| SigningKey::open(&row.id, sealed, master)).transpose()?;
            Ok(OwnKey { row, pair: pair.map(Arc::new) })
        };
        Ok(Self { keys: rows.into_iter().map(open).collect::<Result<_, MasterKeyError>>()?, recovery })
    }

    /// Every key, oldest first.
    pub fn keys(&self) -> &[OwnKey] {
        &self.keys
    }

    /// The key of that id.
    pub fn find(&self, id: &str) -> Option<&OwnKey> {
        self.keys.iter().find(|key| key.row.id == id)
    }

    /// The newest key, which signs for its successor.
    pub fn newest(&self) -> Option<&OwnKey> {
        self.keys.last()
    }

    /// The public half of the recovery key.
    pub fn recovery_key(&self) -> Option<&[u8]> {
        self.recovery.as_deref()
    }

    /// The key to sign with.
    pub fn signing(&self, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let valid = || self.keys.iter().rev().filter(|key| self.verifies(key, now));
        let known = |key: &&OwnKey| key.has_recovered() || now.millis() >= key.row.created_at.millis() + NOTICE_MILLIS;
        let key = valid().find(known).or_else(|| valid().next())?;
        key.pair.as_ref()
    }

    /// What a key is for now.
    pub fn state(&self, key: &OwnKey, now: Timestamp) -> KeyState {
        let signing = self.signing(now).and_then(|pair| self.find(pair.id()));
        let is_newer = signing.is_none_or(|signing| key.row.position > signing.row.position);
        match () {
            () if key.row.revoked.is_some() => KeyState::Revoked,
            () if !self.is_trusted(key) => KeyState::Orphaned,
            () if self.end(key) <= now.max(key.row.valid_from) => KeyState::Ended,
            () if signing.is_some_and(|signing| signing.row.position == key.row.position) => KeyState::Signing,
            () if is_newer => KeyState::Next,
            () => KeyState::Verifying,
        }
    }

    /// When a key ends: a while after the first that replaces it begins.
    pub fn end(&self, key: &OwnKey) -> Timestamp {
        let later = self.keys.iter().filter(|other| other.row.position > key.row.position);
        let replaced = later.map(|other| Timestamp::from_millis(other.row.valid_from.millis() + OVERLAP_MILLIS)).min();
        replaced.map_or(key.row.valid_until, |end| end.min(key.row.valid_until))
    }

    /// A key as it is published: with the end that counts.
    pub fn entry(&self, key: &OwnKey) -> FederationKey {
        FederationKey { valid_until: self.end(key), ..entry(&key.row) }
    }

    /// Whether the newest key gets its trust from that one, or is it.
    pub fn rests_on(&self, id: &str) -> bool {
        self.newest().is_some_and(|newest| self.chain(newest).any(|key| key.row.id == id))
    }

    /// Whether the newest key is so near its end that it is time for the next.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.newest().is_some_and(|newest| {
            let left = newest.row.valid_until.millis() - now.millis();
            newest.row.valid_from <= now && (NOTICE_MILLIS..RENEWAL_MILLIS).contains(&left)
        })
    }

    /// Keys that will never sign again, and whose private halves are still there.
    pub fn spent(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let spent = move |key: &&OwnKey| {
            let state = self.state(key, now);
            key.pair.is_some() && matches!(state, KeyState::Ended | KeyState::Revoked | KeyState::Orphaned)
        };
        self.keys.iter().filter(spent).map(|key| key.row.id.as_str())
    }

    /// What others may know.
    pub fn published(&self, now: Timestamp) -> ServerKeys {
        let counts = |key: &&OwnKey| self.is_trusted(key) && self.end(key) > now.max(key.row.valid_from);
        ServerKeys {
            keys: self.keys.iter().filter(counts).map(|key| self.entry(key)).collect(),
            rotations: self.keys.iter().filter_map(OwnKey::rotation).collect(),
            revocations: self.keys.iter().filter_map(OwnKey::revocation).collect(),
            recovery_key: self.recovery.clone().map(Base64),
        }
    }

    fn verifies(&self, key: &OwnKey, now: Timestamp) -> bool {
        self.is_trusted(key) && key.row.valid_from <= now && now < self.end(key)
    }

    /// A revoked key signs nothing, not even its successor.
    fn is_trusted(&self, key: &OwnKey) -> bool {
        self.chain(key).all(|key| key.row.revoked.is_none())
    }

    /// The key, the one that signed for it, and so on, back to the first key or to one that the recovery key signed for.
    fn chain<'a>(&'a self, key: &'a OwnKey) -> impl Iterator<Item = &'a OwnKey> {
        std::iter::successors(Some(key), |key| {
            let signer = self.find(&key.row.statement.as_ref()?.signed_by)?;
            (signer.row.position < key.row.position).then_some(signer)
        })
    }
}

impl OwnKey {
    /// Whether the recovery key signed for it.
    pub fn has_recovered(&self) -> bool {
        self.row.statement.as_ref().is_some_and(|statement| statement.signed_by == SIGNED_BY_RECOVERY)
    }

    fn rotation(&self) -> Option<Rotation> {
        let statement = self.row.statement.as_ref()?;
        Some(Rotation {
            key: entry(&self.row),
            signed_by: statement.signed_by.clone(),
            signature: Base64(statement.signature.clone()),
        })
    }

    fn revocation(&self) -> Option<Revocation> {
        let (revoked_at, signature) = self.row.revoked.clone()?;
        Some(Revocation { key_id: self.row.id.clone(), revoked_at, signature: Base64(signature) })
    }
}

/// A stored key as its statement has it.
pub(super) fn entry(row: &FederationKeyRow) -> FederationKey {
    FederationKey {
        key_id: row.id.clone(),
        algorithm: FederationAlgorithm::Ed25519,
        public_key: Base64(row.public_key.clone()),
        valid_from: row.valid_from,
        valid_until: row.valid_until,
    }
}
