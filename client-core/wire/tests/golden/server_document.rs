//! What a homeserver publishes of itself.

use missive_wire::{
    Data, FEDERATION_VERSION, FederationAlgorithm, FederationKey, Revocation, Rotation, SIGNED_BY_RECOVERY,
    ServerDocument, ServerKeys, Timestamp,
};
use serde_json::{Value, json};

use super::{at, bytes, pin, read};

const FROM: &str = "2026-03-01T12:00:00.000Z";
const UNTIL: &str = "2026-03-08T12:00:00.000Z";

fn key(key_id: &str) -> FederationKey {
    FederationKey {
        key_id: key_id.into(),
        algorithm: FederationAlgorithm::Ed25519,
        public_key: bytes(),
        valid_from: at(),
        valid_until: Timestamp::from_millis(at().millis() + 7 * 24 * 60 * 60 * 1_000),
    }
}

fn keys() -> ServerKeys {
    let rotation = |signed_by: &str, id| Rotation { key: key(id), signed_by: signed_by.into(), signature: bytes() };
    ServerKeys {
        keys: vec![key("a"), key("b")],
        rotations: vec![rotation("a", "b"), rotation(SIGNED_BY_RECOVERY, "c")],
        revocations: vec![Revocation { key_id: "b".into(), revoked_at: at(), signature: bytes() }],
        recovery_key: Some(bytes()),
    }
}

fn keys_json() -> Value {
    let key =
        |id| json!({"keyId": id, "algorithm": "ed25519", "publicKey": "+/8A", "validFrom": FROM, "validUntil": UNTIL});
    let rotation = |signed_by, id| {
        json!({"keyId": id, "algorithm": "ed25519", "publicKey": "+/8A", "validFrom": FROM, "validUntil": UNTIL,
            "signedBy": signed_by, "signature": "+/8A"})
    };
    json!({
        "keys": [key("a"), key("b")],
        "rotations": [rotation("a", "b"), rotation("recovery", "c")],
        "revocations": [{"keyId": "b", "revokedAt": FROM, "signature": "+/8A"}],
        "recoveryKey": "+/8A",
    })
}

fn with_name(keys: Value) -> Value {
    let mut document = json!({"serverName": "two.example:8448", "baseUrl": "https://two.example", "versions": ["1"]});
    document.as_object_mut().unwrap().extend(serde_json::from_value::<serde_json::Map<_, _>>(keys).unwrap());
    document
}

fn document(keys: ServerKeys) -> ServerDocument {
    ServerDocument {
        server_name: "two.example:8448".parse().unwrap(),
        base_url: "https://two.example".into(),
        versions: vec![FEDERATION_VERSION.into()],
        keys,
    }
}

#[test]
fn the_keys_of_a_server() {
    pin(&Data { data: keys() }, &json!({"data": keys_json()}));
    let first = ServerKeys { keys: vec![key("a")], ..ServerKeys::default() };
    let first_json = json!({"keys": [keys_json()["keys"][0]], "rotations": [], "revocations": []});
    pin(&first, &first_json);
    read(&first, &json!({"keys": [keys_json()["keys"][0]], "later": 1}));
    read(&ServerKeys::default(), &json!({}));
}

#[test]
fn the_document_of_a_server() {
    pin(&document(keys()), &with_name(keys_json()));
    read(&document(ServerKeys::default()), &with_name(json!({})));
}

#[test]
fn another_algorithm_is_refused() {
    for algorithm in ["ed448", "Ed25519", ""] {
        let mut json = keys_json();
        json["keys"][0]["algorithm"] = json!(algorithm);
        assert!(serde_json::from_value::<ServerKeys>(json.clone()).is_err(), "{algorithm}");
        assert!(serde_json::from_value::<ServerDocument>(with_name(json)).is_err(), "{algorithm}");
    }
}
