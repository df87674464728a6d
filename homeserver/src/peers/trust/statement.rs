//! The lines that are signed, and whether they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use missive_wire::{ServerName, Timestamp};

use super::document::{Entry, Revoked, Statement};

/// What is signed to vouch for a key.
pub fn rotation_lines(server: &ServerName, signed_by: &str, entry: &Entry) -> String {
    let public_key = STANDARD.encode(entry.public_key);
    let (from, until) = (entry.valid_from.to_string(), entry.valid_until.to_string());
    ["missive-key-rotation", server.as_str(), signed_by, &entry.key_id, &public_key, &from, &until].join("\n")
}

/// What is signed to revoke a key.
pub fn revocation_lines(server: &ServerName, key_id: &str, revoked_at: Timestamp) -> String {
    ["missive-key-revocation", server.as_str(), key_id, &revoked_at.to_string()].join("\n")
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
