//! Publishing, rotating, counting and claiming public keys, and starting over.

mod claims;
mod devices;
mod identity;
mod owner;

use serde_json::{Value, json};

use crate::common::{Home, Person, both};
pub(super) use owner::Owner;
use owner::{digest, ec, ec_public, encode, pq_public};

/// Someone registered who has published the one-time keys 1 to `keys`.
async fn published(home: &Home, name: &str, keys: u32) -> (Person, Owner) {
    let (person, owner) = (home.register(name).await, Owner::new());
    let (status, body) = publish(&person, &owner.upload(1..=keys)).await;
    assert_eq!(status, 200, "{body}");
    (person, owner)
}

async fn publish(person: &Person, upload: &Value) -> (u16, Value) {
    person.post(&format!("/api/v1/users/{}/keys", person.name), upload).await
}

async fn rotate(person: &Person, rotation: &Value) -> (u16, Value) {
    person.patch(&format!("/api/v1/users/{}/keys", person.name), rotation).await
}

async fn count(person: &Person) -> Value {
    let (status, body) = person.get(&format!("/api/v1/users/{}/keys/count", person.name)).await;
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

async fn claim(person: &Person, name: &str) -> (u16, Value) {
    person.get(&format!("/api/v1/users/{name}/keys")).await
}

fn with(upload: &Value, member: &str, value: Value) -> Value {
    let mut upload = upload.clone();
    upload[member] = value;
    upload
}

fn without(upload: &Value, member: &str) -> Value {
    let mut upload = upload.clone();
    upload.as_object_mut().unwrap().remove(member);
    upload
}

fn typed(kind: u8, mut key: Vec<u8>) -> Vec<u8> {
    key[0] = kind;
    key
}

#[tokio::test]
async fn what_is_published_is_counted_with_its_digest() {
    for home in both().await {
        let alice = home.register("alice").await;
        assert_eq!(count(&alice).await, json!({ "preKeys": 0, "pqPreKeys": 0 }));
        let upload = Owner::new().upload(1..=3);
        let (status, body) = publish(&alice, &upload).await;
        let expected = json!({
            "preKeys": 3, "pqPreKeys": 3, "identityKey": upload["identityKey"], "digest": digest(&upload),
        });
        assert_eq!((status, &body["data"]), (200, &expected));
        assert_eq!(count(&alice).await, expected);
    }
}

#[tokio::test]
async fn a_first_upload_that_lacks_something_names_it_and_is_kept_in_no_part() {
    for home in both().await {
        let alice = home.register("alice").await;
        let upload = Owner::new().upload(1..=2);
        for member in ["identityKey", "registrationId", "signedPreKey", "pqLastResortPreKey"] {
            let (status, body) = publish(&alice, &without(&upload, member)).await;
            assert_eq!((status, body["code"].as_str()), (400, Some("malformed")), "{body}");
            assert!(body["error"].as_str().unwrap().contains(member), "{body}");
        }
        assert_eq!(count(&alice).await, json!({ "preKeys": 0, "pqPreKeys": 0 }));
    }
}

#[tokio::test]
async fn what_is_no_public_key_of_its_kind_is_refused_and_nothing_is_kept() {
    for home in both().await {
        let (alice, owner) = (home.register("alice").await, Owner::new());
        let good = owner.upload(1..=2);
        let key = |id: u32, key: &[u8]| json!({ "keyId": id, "publicKey": encode(key) });
        let small_order = typed(0x05, vec![0; 33]);
        let out_of_range = [&[0x05][..], &[0xFF; 32]].concat();
        let pq_lists = |bad: Value| with(&good, "pqPreKeys", json!([owner.pq(1), bad]));
        let lists = |bad: Value| with(&good, "preKeys", json!([ec(1), bad]));
        let cases = [
            ("a short identity key", with(&good, "identityKey", json!(encode(&[0x05; 32])))),
            ("an identity key of another type", with(&good, "identityKey", json!(encode(&typed(0x06, ec_public()))))),
            ("an identity key of small order", with(&good, "identityKey", json!(encode(&small_order)))),
            ("registration id 0", with(&good, "registrationId", json!(0))),
            ("registration id 16381", with(&good, "registrationId", json!(16_381))),
            ("a signed key of small order", with(&good, "signedPreKey", owner.sign(1, &small_order))),
            ("a signed key out of range", with(&good, "signedPreKey", owner.sign(1, &out_of_range))),
            ("a one-time key of small order", lists(key(2, &small_order))),
            ("a one-time key of another type", lists(key(2, &typed(0x08, ec_public())))),
            ("an empty one-time key", lists(key(2, &[]))),
            ("a Kyber key of another type", pq_lists(owner.sign(2, &typed(0x07, pq_public())))),
            ("a short Kyber key", pq_lists(owner.sign(2, &pq_public()[..1_568]))),
            ("an EC key as a Kyber one", with(&good, "pqLastResortPreKey", owner.signed(1))),
            ("an EC key id twice", lists(ec(1))),
            ("a Kyber key id twice", pq_lists(owner.pq(1))),
        ];
        for (what, upload) in cases {
            let (status, body) = publish(&alice, &upload).await;
            assert_eq!((status, body["code"].as_str()), (422, Some("invalid_key")), "{what}: {body}");
        }
        assert_eq!(count(&alice).await, json!({ "preKeys": 0, "pqPreKeys": 0 }));
    }
}

#[tokio::test]
async fn a_signature_that_the_identity_key_does_not_verify_is_refused() {
    for home in both().await {
        let (alice, owner, other) = (home.register("alice").await, Owner::new(), Owner::new());
        let good = owner.upload(1..=2);
        let mut truncated = owner.signed(1);
        truncated["signature"] = json!(encode(&[0; 63]));
        let mut swapped = owner.pq(2);
        swapped["signature"] = owner.pq(3)["signature"].clone();
        let cases = [
            ("another's signature", with(&good, "signedPreKey", other.signed(1))),
            ("a short signature", with(&good, "signedPreKey", truncated)),
            ("another's last-resort key", with(&good, "pqLastResortPreKey", other.pq(1))),
            ("another key's signature", with(&good, "pqPreKeys", json!([owner.pq(1), swapped]))),
        ];
        for (what, upload) in cases {
            let (status, body) = publish(&alice, &upload).await;
            assert_eq!((status, body["code"].as_str()), (422, Some("invalid_signature")), "{what}: {body}");
        }
        assert_eq!(count(&alice).await, json!({ "preKeys": 0, "pqPreKeys": 0 }));
    }
}

#[tokio::test]
async fn what_could_hold_a_private_key_is_refused() {
    for home in both().await {
        let (alice, owner) = (home.register("alice").await, Owner::new());
        let good = owner.upload(1..=2);
        let long = |key: Vec<u8>| [key, vec![7; 32]].concat();
        let mut with_pair = owner.signed(1);
        with_pair["keyPair"] = json!({ "publicKey": "", "x": "" });
        let cases = [
            ("a member", with(&good, "privateKey", json!("AA=="))),
            ("a member under another", with(&good, "signedPreKey", with_pair)),
            ("a member in a list", with(&good, "preKeys", json!([with(&ec(1), "preKey_Record", json!(""))]))),
            ("a member that nobody reads", with(&good, "extra", json!([{ "identity-secret": 1 }]))),
            ("a long identity key", with(&good, "identityKey", json!(encode(&long(ec_public()))))),
            ("a long one-time key", with(&good, "preKeys", json!([{ "keyId": 1, "publicKey": encode(&[5; 65]) }]))),
            ("a long signed key", with(&good, "signedPreKey", owner.sign(1, &long(ec_public())))),
            ("a long Kyber key", with(&good, "pqLastResortPreKey", owner.sign(1, &long(pq_public())))),
        ];
        for (what, upload) in cases {
            let (status, body) = publish(&alice, &upload).await;
            assert_eq!((status, body["code"].as_str()), (422, Some("private_key")), "{what}: {body}");
        }
        let rotation = json!({ "signedPreKey": owner.signed(2), "secret": "" });
        assert_eq!(rotate(&alice, &rotation).await.0, 422);
        assert_eq!(count(&alice).await, json!({ "preKeys": 0, "pqPreKeys": 0 }));
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_malformed() {
    for home in both().await {
        let alice = home.register("alice").await;
        let good = Owner::new().upload(1..=1);
        let path = "/api/v1/users/alice/keys";
        let malformed = [
            b"".to_vec(),
            b"{".to_vec(),
            b"[]".to_vec(),
            b"\"\xFF\"".to_vec(),
            "[".repeat(100_000).into_bytes(),
            with(&good, "identityKey", json!("?")).to_string().into_bytes(),
            with(&good, "registrationId", json!(-1)).to_string().into_bytes(),
            with(&good, "preKeys", json!([{ "keyId": 4_294_967_296_u64, "publicKey": "" }])).to_string().into_bytes(),
        ];
        for body in malformed {
            let text = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let (status, answer) = alice.send_bytes("POST", path, body).await;
            assert_eq!((status, answer["code"].as_str()), (400, Some("malformed")), "{text}: {answer}");
        }
        let (status, answer) = alice.send_bytes("POST", path, vec![b' '; 2 * 1024 * 1024]).await;
        assert_eq!((status, answer["code"].as_str()), (413, Some("too_large")), "{answer}");
        assert_eq!(count(&alice).await, json!({ "preKeys": 0, "pqPreKeys": 0 }));
    }
}

#[tokio::test]
async fn the_same_upload_again_changes_nothing() {
    for home in both().await {
        let (alice, bob, owner) = (home.register("alice").await, home.register("bob").await, Owner::new());
        let upload = owner.upload(1..=3);
        assert_eq!(publish(&alice, &upload).await.0, 200);
        assert_eq!(claim(&bob, "alice").await.0, 200);
        let (status, body) = publish(&alice, &upload).await;
        assert_eq!((status, &body["data"]["preKeys"], &body["data"]["pqPreKeys"]), (200, &json!(2), &json!(2)));
        let rotation = json!({ "signedPreKey": owner.signed(2) });
        assert_eq!(rotate(&alice, &rotation).await.0, 200);
        assert_eq!(rotate(&alice, &rotation).await.0, 200);
        assert_eq!(publish(&alice, &upload).await.0, 200);
        assert_eq!(claim(&bob, "alice").await.1["data"]["devices"][0]["signedPreKey"], rotation["signedPreKey"]);
    }
}

#[tokio::test]
async fn key_ids_rise_kind_by_kind_and_no_key_comes_back() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 3).await;
        let bob = home.register("bob").await;
        for _ in 0..3 {
            assert_eq!(claim(&bob, "alice").await.0, 200);
        }
        let cases = [
            (json!({ "preKeys": [ec(4), ec(3)] }), 3),
            (json!({ "pqPreKeys": [owner.pq(4), owner.pq(2)] }), 3),
            (json!({ "preKeys": [ec(4)], "signedPreKey": owner.signed(1) }), 1),
            (json!({ "preKeys": [ec(4)], "pqLastResortPreKey": owner.pq(0) }), 1),
        ];
        for (upload, highest) in cases {
            let (status, body) = publish(&alice, &upload).await;
            assert_eq!((status, body["code"].as_str()), (409, Some("key_id_reused")), "{upload}: {body}");
            assert_eq!(body["highestKeyId"], highest, "{upload}");
        }
        let counted = count(&alice).await;
        assert_eq!((&counted["preKeys"], &counted["pqPreKeys"]), (&json!(0), &json!(0)));
        assert_eq!(publish(&alice, &json!({ "preKeys": [ec(4)], "pqPreKeys": [owner.pq(9)] })).await.0, 200);
        assert_eq!(publish(&alice, &json!({ "pqPreKeys": [owner.pq(8)] })).await.1["highestKeyId"], 9);
    }
}

#[tokio::test]
async fn at_most_200_one_time_keys_of_a_kind_are_taken_and_1000_stored() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 0).await;
        let keys = |first: u32, count: u32| json!({ "preKeys": (first..first + count).map(ec).collect::<Vec<_>>() });
        let pq_keys = json!({ "pqPreKeys": (1..=201).map(|id| owner.pq(id)).collect::<Vec<_>>() });
        for upload in [keys(1, 201), pq_keys] {
            let (status, body) = publish(&alice, &upload).await;
            assert_eq!((status, body["code"].as_str()), (422, Some("too_many_keys")));
        }
        for round in 0..5 {
            assert_eq!(publish(&alice, &keys(1 + round * 200, 200)).await.0, 200);
        }
        let (status, body) = publish(&alice, &keys(1_001, 1)).await;
        assert_eq!((status, body["code"].as_str()), (422, Some("too_many_keys")), "{body}");
        assert_eq!(count(&alice).await["preKeys"], 1_000);
    }
}

#[tokio::test]
async fn another_identity_is_not_published_over_the_first() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 1).await;
        let before = count(&alice).await;
        let cases = [
            Owner::new().upload(2..=3),
            json!({ "identityKey": Owner::new().identity_key() }),
            with(&json!({ "preKeys": [ec(2)] }), "registrationId", json!(4712)),
        ];
        for upload in cases {
            let (status, body) = publish(&alice, &upload).await;
            assert_eq!((status, body["code"].as_str()), (409, Some("identity_changed")), "{body}");
        }
        assert_eq!(count(&alice).await, before);
        let same = json!({ "identityKey": owner.identity_key(), "registrationId": 4711, "preKeys": [ec(2)] });
        assert_eq!(publish(&alice, &same).await.0, 200);
        assert_eq!(publish(&alice, &json!({})).await.0, 400);
    }
}

#[tokio::test]
async fn the_identity_given_at_registration_is_the_one_to_publish() {
    for home in both().await {
        let owner = Owner::new();
        let given = json!({ "identityKey": owner.identity_key(), "registrationId": 4711 });
        let alice = home.register_with("alice", &given).await;
        let (status, body) = publish(&alice, &Owner::new().upload(1..=1)).await;
        assert_eq!((status, body["code"].as_str()), (409, Some("identity_changed")), "{body}");
        let (status, body) = publish(&alice, &with(&owner.upload(1..=1), "registrationId", json!(1))).await;
        assert_eq!((status, body["code"].as_str()), (409, Some("identity_changed")), "{body}");
        assert_eq!(publish(&alice, &owner.upload(1..=1)).await.0, 200);
    }
}

#[tokio::test]
async fn rotation_replaces_the_lasting_keys_and_their_ids_rise() {
    for home in both().await {
        let (alice, owner) = (home.register("alice").await, Owner::new());
        let bob = home.register("bob").await;
        let (status, body) = rotate(&alice, &json!({ "signedPreKey": owner.signed(1) })).await;
        assert_eq!((status, body["code"].as_str()), (404, Some("no_keys")), "{body}");
        let upload = owner.upload(1..=1);
        assert_eq!(publish(&alice, &upload).await.0, 200);
        assert_eq!(rotate(&alice, &json!({})).await.0, 400);
        let (status, body) = rotate(&alice, &json!({ "signedPreKey": owner.signed(1) })).await;
        assert_eq!((status, &body["highestKeyId"]), (409, &json!(1)), "{body}");
        let (status, body) = rotate(&alice, &json!({ "signedPreKey": Owner::new().signed(2) })).await;
        assert_eq!((status, body["code"].as_str()), (422, Some("invalid_signature")), "{body}");

        let rotation = json!({ "signedPreKey": owner.signed(2), "pqLastResortPreKey": owner.pq(7) });
        let (status, body) = rotate(&alice, &rotation).await;
        let mut rotated = upload.clone();
        rotated["signedPreKey"] = rotation["signedPreKey"].clone();
        rotated["pqLastResortPreKey"] = rotation["pqLastResortPreKey"].clone();
        assert_eq!((status, &body["data"]["digest"]), (200, &json!(digest(&rotated))));
        assert_eq!(claim(&bob, "alice").await.0, 200);
        let device = claim(&bob, "alice").await.1["data"]["devices"][0].clone();
        assert_eq!(device["signedPreKey"], rotation["signedPreKey"]);
        assert_eq!(device["pqPreKey"], rotation["pqLastResortPreKey"]);
    }
}
