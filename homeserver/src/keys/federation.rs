//! What this server says to others is signed with: Ed25519 keys (RFC 8032), and the statements that tie each to the one
//! before it.

mod issue;
mod recovery;
mod ring;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer as _;
use missive_wire::{FederationKey, Timestamp};
use zeroize::Zeroizing;

pub use issue::{issue, sign_for};
pub use recovery::{RecoveryKey, RecoveryKeyError};
pub use ring::{KeyRing, KeyState, NOTICE_MILLIS, OVERLAP_MILLIS, OwnKey};

use super::{MasterKey, MasterKeyError};
use crate::clock::Clock;

/// A key pair that signs requests and answers between homeservers.
pub struct SigningKey {
    id: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A new key pair; `None` without random bytes.
    pub fn generate(clock: &Clock) -> Option<Self> {
        let secret = Zeroizing::new(clock.random::<32>()?);
        // Hexadecimal: an id is an argument of commands, and must not begin with a dash.
        let id = format!("{:016x}", u64::from_be_bytes(clock.random()?));
        Some(Self { id, key: ed25519_dalek::SigningKey::from_bytes(&secret) })
    }

    /// The key pair that [`SigningKey::seal`] sealed.
    pub fn open(id: &str, sealed: &[u8], master: &MasterKey) -> Result<Self, MasterKeyError> {
        let secret = master.open(&context(id), sealed)?;
        let secret = secret.as_slice().try_into().map_err(|_| MasterKeyError::Wrong)?;
        Ok(Self { id: id.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(secret) })
    }

    /// The private half, sealed.
    pub fn seal(&self, master: &MasterKey, clock: &Clock) -> Result<Vec<u8>, MasterKeyError> {
        master.seal(&context(&self.id), self.key.as_bytes(), clock)
    }

    /// The id that peers find the public half by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is signed to say that `key` is the server's.
pub fn rotation_statement(server_name: &str, signed_by: &str, key: &FederationKey) -> String {
    rotation_lines(server_name, signed_by, &key.key_id, &key.public_key.0, key.valid_from, key.valid_until)
}

/// The lines of a rotation statement, of this server or of another.
pub fn rotation_lines(
    server_name: &str,
    signed_by: &str,
    key_id: &str,
    public_key: &[u8],
    valid_from: Timestamp,
    valid_until: Timestamp,
) -> String {
    let public_key = STANDARD.encode(public_key);
    let (from, until) = (valid_from.to_string(), valid_until.to_string());
    ["missive-key-rotation", server_name, signed_by, key_id, &public_key, &from, &until].join("\n")
}

/// What is signed to say that a key counts for nothing any more.
pub fn revocation_statement(server_name: &str, key_id: &str, revoked_at: Timestamp) -> String {
    ["missive-key-revocation", server_name, key_id, &revoked_at.to_string()].join("\n")
}

fn context(id: &str) -> String {
    format!("federation_keys/{id}")
}

#[cfg(test)]
mod tests {
    use missive_wire::{Base64, FederationAlgorithm};

    use super::*;

    #[test]
    fn the_statements_are_lines_without_a_last_newline() {
        let key = FederationKey {
            key_id: "b".into(),
            algorithm: FederationAlgorithm::Ed25519,
            public_key: Base64(vec![0xfb, 0xff, 0x00]),
            valid_from: Timestamp::from_millis(0),
            valid_until: Timestamp::from_millis(1),
        };
        assert_eq!(
            rotation_statement("one.example:8448", "a", &key),
            "missive-key-rotation\none.example:8448\na\nb\n+/8A\n1970-01-01T00:00:00.000Z\n1970-01-01T00:00:00.001Z"
        );
        assert_eq!(
            revocation_statement("one.example", "b", Timestamp::from_millis(0)),
            "missive-key-revocation\none.example\nb\n1970-01-01T00:00:00.000Z"
        );
    }

    #[test]
    fn a_private_half_never_prints() {
        let key = SigningKey::generate(&Clock::default()).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ id: {:?}, .. }}", key.id()));
    }
}
