//! What another server makes of the keys that one publishes: from the JSON and the protocol alone.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;

/// A server that has pinned the keys it met first.
pub(crate) struct Peer {
    server_name: String,
    recovery: Option<Vec<u8>>,
    /// Key ids, with their public keys and when they are valid.
    known: BTreeMap<String, Known>,
}

#[derive(Clone)]
struct Known {
    public: Vec<u8>,
    from: String,
    until: String,
}

impl Peer {
    /// Meets the server of a document for the first time.
    pub(crate) fn pin(document: &Value) -> Self {
        let known = list(document, "keys").iter().map(|key| (text(key, "keyId"), Known::of(key))).collect();
        Self {
            server_name: text(document, "serverName"),
            recovery: document["recoveryKey"].as_str().map(decode),
            known,
        }
    }

    /// The ids of the published keys that it trusts, when it meets the server again. Every statement must be good, and
    /// no key may have two successors.
    pub(crate) fn trusts(&self, document: &Value) -> BTreeSet<String> {
        let mut known = self.known.clone();
        let revoked: BTreeSet<_> = list(document, "revocations").iter().map(|one| self.revocation(one)).collect();
        known.retain(|id, _| !revoked.contains(id));
        let mut signers = BTreeSet::new();
        for rotation in list(document, "rotations") {
            let signer = text(rotation, "signedBy");
            assert!(signer == "recovery" || signers.insert(signer.clone()), "{signer} has two successors");
            if self.believes(rotation, &known) && !revoked.contains(&text(rotation, "keyId")) {
                known.insert(text(rotation, "keyId"), Known::of(rotation));
            }
        }
        let published = list(document, "keys")
            .iter()
            .filter(|key| known.get(&text(key, "keyId")).is_some_and(|known| known.public == Known::of(key).public));
        published.map(|key| text(key, "keyId")).collect()
    }

    fn believes(&self, rotation: &Value, known: &BTreeMap<String, Known>) -> bool {
        let member = |name| text(rotation, name);
        let lines = ["signedBy", "keyId", "publicKey", "validFrom", "validUntil"].map(member).join("\n");
        let lines = format!("missive-key-rotation\n{}\n{lines}", self.server_name);
        let signer = member("signedBy");
        if signer == "recovery" {
            return self.recovery.as_ref().is_some_and(|public| verifies(public, &lines, rotation));
        }
        let Some(signer) = known.get(&signer) else { return false };
        assert!(verifies(&signer.public, &lines, rotation), "a bad signature: {rotation}");
        // RFC 3339 in UTC with as many digits each sorts as text.
        let from = member("validFrom");
        signer.from <= from && from <= signer.until
    }

    fn revocation(&self, revocation: &Value) -> String {
        let id = text(revocation, "keyId");
        let at = text(revocation, "revokedAt");
        let lines = format!("missive-key-revocation\n{}\n{id}\n{at}", self.server_name);
        let recovery = self.recovery.as_ref().expect("a recovery key, for there is a revocation");
        assert!(verifies(recovery, &lines, revocation), "a bad signature: {revocation}");
        id
    }
}

impl Known {
    fn of(key: &Value) -> Self {
        assert_eq!(key["algorithm"], "ed25519");
        Self {
            public: decode(key["publicKey"].as_str().unwrap()),
            from: text(key, "validFrom"),
            until: text(key, "validUntil"),
        }
    }
}

/// Whether the public key of an entry verifies a signature.
pub(crate) fn verifies_by(key: &Value, message: &[u8], signature: &[u8]) -> bool {
    let public = decode(key["publicKey"].as_str().unwrap());
    let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    public.verify_strict(message, &Signature::from_slice(signature).unwrap()).is_ok()
}

fn verifies(public: &[u8], lines: &str, statement: &Value) -> bool {
    let public = VerifyingKey::from_bytes(public.try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&decode(statement["signature"].as_str().unwrap())).unwrap();
    public.verify_strict(lines.as_bytes(), &signature).is_ok()
}

fn list<'a>(document: &'a Value, member: &str) -> &'a [Value] {
    document[member].as_array().unwrap()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}")).to_owned()
}

fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
