//! Someone with real keys: EC pairs and signatures by libsignal; Kyber public keys are of the right form.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libsignal_core::curve::KeyPair;
use rand::{RngCore as _, TryRngCore as _, rngs::OsRng};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The holder of an identity key.
pub(crate) struct Owner {
    identity: KeyPair,
}

impl Owner {
    pub(crate) fn new() -> Self {
        Self { identity: KeyPair::generate(&mut OsRng.unwrap_err()) }
    }

    pub(super) fn identity_key(&self) -> String {
        encode(&self.identity.public_key.serialize())
    }

    /// An EC key with its signature.
    pub(super) fn signed(&self, id: u32) -> Value {
        self.sign(id, &ec_public())
    }

    /// A Kyber key with its signature.
    pub(super) fn pq(&self, id: u32) -> Value {
        self.sign(id, &pq_public())
    }

    /// A key with a right signature, whatever the key is.
    pub(super) fn sign(&self, id: u32, key: &[u8]) -> Value {
        let signature = self.identity.calculate_signature(key, &mut OsRng.unwrap_err()).unwrap();
        json!({ "keyId": id, "publicKey": encode(key), "signature": encode(&signature) })
    }

    /// A whole upload with the one-time keys of these ids.
    pub(crate) fn upload(&self, ids: std::ops::RangeInclusive<u32>) -> Value {
        json!({
            "identityKey": self.identity_key(),
            "registrationId": 4711,
            "signedPreKey": self.signed(1),
            "preKeys": ids.clone().map(ec).collect::<Vec<_>>(),
            "pqLastResortPreKey": self.pq(1),
            "pqPreKeys": ids.map(|id| self.pq(id)).collect::<Vec<_>>(),
        })
    }
}

/// A one-time EC key.
pub(super) fn ec(id: u32) -> Value {
    json!({ "keyId": id, "publicKey": encode(&ec_public()) })
}

pub(super) fn ec_public() -> Vec<u8> {
    KeyPair::generate(&mut OsRng.unwrap_err()).public_key.serialize().into_vec()
}

pub(super) fn pq_public() -> Vec<u8> {
    let mut key = vec![0; 1_569];
    OsRng.unwrap_err().fill_bytes(&mut key);
    key[0] = 0x08;
    key
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The digest that the protocol describes.
pub(super) fn digest(upload: &Value) -> String {
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap().to_be_bytes();
    let mut hash = Sha256::new();
    hash.update(bytes(&upload["identityKey"]));
    hash.update(number(&upload["registrationId"]));
    for kind in ["signedPreKey", "pqLastResortPreKey"] {
        hash.update(number(&upload[kind]["keyId"]));
        hash.update(bytes(&upload[kind]["publicKey"]));
    }
    encode(&hash.finalize())
}
