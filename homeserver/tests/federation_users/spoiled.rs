//! Bundles that another homeserver signs, and that are no good.

use serde_json::{Value, json};

use super::{
    fake::fakes,
    owner::{Owner, ec, ec_public, encode, pq_public},
};

/// A bundle of one device.
pub(super) fn bundle(owner: &Owner) -> Value {
    json!({ "identityKey": owner.identity_key(), "devices": [device(owner, 1)] })
}

fn device(owner: &Owner, id: u32) -> Value {
    json!({
        "deviceId": id,
        "registrationId": 4711,
        "signedPreKey": owner.signed(1),
        "preKey": ec(2),
        "pqPreKey": owner.pq(3),
    })
}

/// A point of small order.
fn low_order() -> Vec<u8> {
    [vec![5], vec![0; 32]].concat()
}

type Spoil = fn(&mut Value, &Owner);

const SPOILED: [(&str, &str, Spoil); 17] = [
    ("another's signature", "invalid_signature", |bundle, _| {
        bundle["devices"][0]["signedPreKey"] = Owner::new().signed(1);
    }),
    ("another's Kyber signature", "invalid_signature", |bundle, _| {
        bundle["devices"][0]["pqPreKey"] = Owner::new().pq(1);
    }),
    ("a short signature", "invalid_signature", |bundle, _| {
        bundle["devices"][0]["signedPreKey"]["signature"] = json!(encode(&[0; 63]));
    }),
    ("another identity", "invalid_signature", |bundle, _| bundle["identityKey"] = json!(Owner::new().identity_key())),
    ("an identity of small order", "invalid_key", |bundle, _| bundle["identityKey"] = json!(encode(&low_order()))),
    ("a short key", "invalid_key", |bundle, _| {
        bundle["devices"][0]["preKey"]["publicKey"] = json!(encode(&ec_public()[..32]));
    }),
    ("a long key", "invalid_key", |bundle, _| {
        bundle["devices"][0]["preKey"]["publicKey"] = json!(encode(&[ec_public(), vec![0]].concat()));
    }),
    ("a one-time key of small order", "invalid_key", |bundle, _| {
        bundle["devices"][0]["preKey"]["publicKey"] = json!(encode(&low_order()));
    }),
    ("a signed key of small order", "invalid_key", |bundle, owner| {
        bundle["devices"][0]["signedPreKey"] = owner.sign(1, &low_order());
    }),
    ("a Kyber key of another type", "invalid_key", |bundle, owner| {
        let mut key = pq_public();
        key[0] = 0x07;
        bundle["devices"][0]["pqPreKey"] = owner.sign(1, &key);
    }),
    ("a short Kyber key", "invalid_key", |bundle, owner| {
        bundle["devices"][0]["pqPreKey"] = owner.sign(1, &pq_public()[..1568]);
    }),
    ("no registration id", "invalid_key", |bundle, _| bundle["devices"][0]["registrationId"] = json!(0)),
    ("no device", "invalid_key", |bundle, _| bundle["devices"] = json!([])),
    ("a device twice", "invalid_key", |bundle, owner| {
        bundle["devices"] = json!([device(owner, 1), device(owner, 1)]);
    }),
    ("128 devices", "invalid_key", |bundle, owner| {
        let one = device(owner, 1);
        let numbered = (0..128).map(|number| {
            let mut device = one.clone();
            device["deviceId"] = json!(number % 127 + 1);
            device
        });
        bundle["devices"] = numbered.collect();
    }),
    ("the device 128", "invalid_key", |bundle, _| bundle["devices"][0]["deviceId"] = json!(128)),
    ("no bundle", "invalid_key", |bundle, _| *bundle = json!("keys")),
];

#[tokio::test]
async fn a_spoiled_bundle_is_refused_and_names_the_server() {
    for (home, fake) in fakes().await {
        let (alice, owner) = (home.register("alice").await, Owner::new());
        let claim = async || alice.get("/api/v1/users/bob@two.example/keys").await;
        let good = bundle(&owner);
        fake.answer(200, json!({ "data": good }).to_string());
        let (status, body) = claim().await;
        assert_eq!((status, &body["data"]), (200, &good));
        for (what, code, spoil) in SPOILED {
            let mut spoiled = good.clone();
            spoil(&mut spoiled, &owner);
            fake.answer(200, json!({ "data": spoiled }).to_string());
            let (status, body) = claim().await;
            assert_eq!((status, body["code"].as_str()), (422, Some(code)), "{what}: {body}");
            assert!(body["error"].as_str().unwrap().contains("two.example"), "{what}: {body}");
            assert_eq!(body.get("retryAfter"), None, "{what}");
        }
        let deep = format!("{{\"data\":{good},\"more\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let huge = format!("{{\"data\":{good},\"more\":\"{}\"}}", "x".repeat(512 * 1024));
        for answer in [deep, huge, "{\"data\":".into(), String::new()] {
            fake.answer(200, answer);
            let (status, body) = claim().await;
            assert_eq!((status, body["code"].as_str()), (422, Some("invalid_key")), "{body}");
            assert!(body["error"].as_str().unwrap().len() < 300, "{body}");
        }
    }
}

#[tokio::test]
async fn the_bundle_of_an_account_with_every_device_is_taken() {
    for (home, fake) in fakes().await {
        let (alice, owner) = (home.register("alice").await, Owner::new());
        let devices = (1..=127).map(|id| device(&owner, id)).collect::<Vec<_>>();
        let whole = json!({ "identityKey": owner.identity_key(), "devices": devices });
        fake.answer(200, json!({ "data": whole }).to_string());
        let (status, body) = alice.get("/api/v1/users/bob@two.example/keys").await;
        assert_eq!((status, &body["data"]), (200, &whole));
    }
}
