//! Safety numbers: what two people compare to know that nobody is between them.

use libsignal_protocol::{Fingerprint, IdentityKey, ScannableFingerprint};
use missive_wire::{Address, Base64};

use super::{Signal, SignalError, identity::Identity};

/// As Signal's own clients make them: version 2, 5200 iterations.
const VERSION: u32 = 2;
const ITERATIONS: u32 = 5200;

/// The safety number of a conversation: both parties see the same digits, as long as both have the same two keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    with: Address,
    /// The other party's identity key.
    key: Base64,
    digits: String,
    scannable: Vec<u8>,
    changed: bool,
}

impl SafetyNumber {
    /// With whom.
    pub fn with(&self) -> &Address {
        &self.with
    }

    /// Whether it is about that identity key.
    pub(crate) fn is_about(&self, key: &Base64) -> bool {
        self.key == *key
    }

    /// 60 digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The digits in groups of five, as they are read aloud.
    pub fn groups(&self) -> Vec<&str> {
        (0..self.digits.len()).step_by(5).filter_map(|at| self.digits.get(at..at + 5)).collect()
    }

    /// What a QR code holds: Signal's `CombinedFingerprints`.
    pub fn scannable(&self) -> &[u8] {
        &self.scannable
    }

    /// Whether it is about a changed key that waits for acceptance.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// Whether the other party's digits are the same; anything but digits is passed over.
    pub fn matches_digits(&self, theirs: &str) -> bool {
        theirs.chars().filter(char::is_ascii_digit).eq(self.digits.chars())
    }

    /// Whether what was scanned from the other party's QR code is about the same two keys.
    pub fn matches_scanned(&self, scanned: &[u8]) -> bool {
        let ours = ScannableFingerprint::deserialize(&self.scannable);
        ours.is_ok_and(|ours| ours.compare(scanned).unwrap_or(false))
    }
}

impl Signal {
    /// The safety number with an account whose key is known; with its newest key, accepted or not.
    pub(crate) async fn safety_number(
        &self,
        own: &Address,
        other: &Address,
    ) -> Result<Option<SafetyNumber>, SignalError> {
        let Some(identity) = Identity::load(&self.storage, other).await? else { return Ok(None) };
        let broken = |error: &dyn std::fmt::Display| SignalError::Encrypt(error.to_string());
        let theirs = IdentityKey::decode(&identity.newest().0).map_err(|error| broken(&error))?;
        let ours = self.identity.identity_key();
        let (own, with) = (own.to_string(), other.to_string());
        let fingerprint = Fingerprint::new(VERSION, ITERATIONS, own.as_bytes(), ours, with.as_bytes(), &theirs)
            .map_err(|error| broken(&error))?;
        Ok(Some(SafetyNumber {
            with: other.clone(),
            key: identity.newest().clone(),
            digits: fingerprint.display_string().map_err(|error| broken(&error))?,
            scannable: fingerprint.scannable.serialize().map_err(|error| broken(&error))?,
            changed: identity.waits_for_acceptance(),
        }))
    }
}
