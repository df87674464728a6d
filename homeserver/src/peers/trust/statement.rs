//! The lines that are signed, and whether they are.

use ed25519_dalek::{Signature, VerifyingKey};
use missive_wire::{ServerName, Timestamp};

use super::document::{Entry, Revoked, Statement};
use crate::keys::federation;

/// What is signed to vouch for a key.
pub fn rotation_lines(server: &ServerName, signed_by: &str, entry: &Entry) -> String {
    let (from, until) = (entry.valid_from, entry.valid_until);
    federation::rotation_lines(server.as_str(), signed_by, &entry.key_id, &entry.public_key, from, until)
}

/// What is signed to revoke a key.
pub fn revocation_lines(server: &ServerName, key_id: &str, revoked_at: Timestamp) -> String {
    federation::revocation_statement(server.as_str(), key_id, revoked_at)
}

impl Statement {
    /// Whether that key signed it, for that server.
    pub(super) fn is_by(&self, server: &ServerName, key: &[u8; 32]) -> bool {
        verifies(key, &rotation_lines(server, self.signed_by.as_str(), &self.entry), &self.signature)
    }
}

impl Revoked {
    /// Whether that key signed it, for that server.
    pub(super) fn is_by(&self, server: &ServerName, key: &[u8; 32]) -> bool {
        verifies(key, &revocation_lines(server, &self.key_id, self.revoked_at), &self.signature)
    }
}

fn verifies(key: &[u8; 32], lines: &str, signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(lines.as_bytes(), &signature).is_ok())
}
