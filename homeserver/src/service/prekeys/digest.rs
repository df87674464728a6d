//! What tells one request from another, and one publication from another.

use missive_wire::{Base64, SignedPreKey};
use sha2::{Digest as _, Sha256};

/// Tells a request from others of its kind.
pub(super) fn of_request(verb: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(verb).chain_update([0]).chain_update(body).finalize().into()
}

/// SHA-256 of identityKey ‖ registrationId ‖ keyId ‖ publicKey of signedPreKey ‖ keyId ‖ publicKey of
/// pqLastResortPreKey (numbers u32 big-endian); `None` before the first upload.
pub(super) fn of_published(
    identity_key: Option<&[u8]>,
    registration_id: Option<u32>,
    signed_pre_key: Option<&SignedPreKey>,
    pq_last_resort_pre_key: Option<&SignedPreKey>,
) -> Option<Base64> {
    let mut hash = Sha256::new().chain_update(identity_key?).chain_update(registration_id?.to_be_bytes());
    for key in [signed_pre_key?, pq_last_resort_pre_key?] {
        hash = hash.chain_update(key.key_id.to_be_bytes()).chain_update(&key.public_key.0);
    }
    Some(Base64(hash.finalize().to_vec()))
}
