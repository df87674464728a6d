//! Starting over with a new identity key.

use serde_json::{Value, json};

use super::{Owner, claim, count, digest, ec, publish, published, with, without};
use crate::common::{PASSWORD, Person, both};

async fn start_over(person: &Person, password: &str, upload: &Value) -> (u16, Value) {
    let body = with(upload, "password", json!(password));
    person.post(&format!("/api/v1/users/{}/identity", person.name), &body).await
}

#[tokio::test]
async fn starting_over_replaces_everything_of_the_old_identity() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 3).await;
        let (other, bob) = (home.log_in("alice").await, home.register("bob").await);
        home.leave_message(&bob, &alice).await;
        let upload = Owner::new().upload(1..=2);
        let (status, body) = start_over(&alice, PASSWORD, &upload).await;
        let expected = json!({
            "preKeys": 2, "pqPreKeys": 2, "identityKey": upload["identityKey"], "digest": digest(&upload),
        });
        assert_eq!((status, &body["data"]), (200, &expected));

        let (status, body) = other.get("/api/v1/users/alice/keys/count").await;
        assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
        let (status, body) = alice.get("/api/v1/users/alice/messages").await;
        assert_eq!((status, &body["data"]["messages"]), (200, &json!([])));
        let (status, body) = bob.get("/api/v1/users/bob/messages/status").await;
        let told = &body["data"]["statuses"][0];
        assert_eq!((status, &told["state"], &told["code"]), (200, &json!("undeliverable"), &json!("receiver_gone")));

        let bundle = claim(&bob, "alice").await.1["data"].clone();
        assert_eq!(bundle["identityKey"], upload["identityKey"]);
        assert_eq!(bundle["devices"][0]["preKey"], upload["preKeys"][0]);
        // What the old identity key signed counts no more; the new ids go on from the new upload.
        assert_eq!(publish(&alice, &json!({ "pqPreKeys": [owner.pq(9)] })).await.0, 422);
        assert_eq!(publish(&alice, &json!({ "preKeys": [ec(3)] })).await.0, 200);
    }
}

#[tokio::test]
async fn starting_over_again_with_the_same_keys_changes_nothing() {
    for home in both().await {
        let (alice, _) = published(&home, "alice", 1).await;
        let bob = home.register("bob").await;
        let upload = Owner::new().upload(1..=2);
        assert_eq!(start_over(&alice, PASSWORD, &upload).await.0, 200);
        assert_eq!(claim(&bob, "alice").await.0, 200);
        let (status, body) = start_over(&alice, PASSWORD, &upload).await;
        assert_eq!((status, &body["data"]["preKeys"]), (200, &json!(1)), "{body}");
    }
}

#[tokio::test]
async fn starting_over_needs_the_password_a_whole_upload_and_another_identity() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 1).await;
        let (other, before) = (home.log_in("alice").await, count(&alice).await);
        let upload = Owner::new().upload(1..=1);
        let mut forged = upload.clone();
        forged["signedPreKey"] = owner.signed(1);
        let cases = [
            ("a wrong password", "wrong", upload.clone(), 401, "wrong_credentials"),
            ("the same identity", PASSWORD, owner.upload(2..=3), 422, "invalid_key"),
            ("the old identity's signature", PASSWORD, forged, 422, "invalid_signature"),
            ("half an upload", PASSWORD, without(&upload, "pqLastResortPreKey"), 400, "malformed"),
            ("a private key", PASSWORD, with(&upload, "privateKey", json!("")), 422, "private_key"),
        ];
        for (what, password, upload, status, code) in cases {
            let (got, body) = start_over(&alice, password, &upload).await;
            assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{what}: {body}");
        }
        assert_eq!(count(&alice).await, before);
        assert_eq!(count(&other).await, before);
    }
}

#[tokio::test]
async fn wrong_passwords_lock_starting_over_out() {
    for home in both().await {
        let (alice, _) = published(&home, "alice", 1).await;
        let upload = Owner::new().upload(1..=1);
        let mut answers = Vec::new();
        for _ in 0..100 {
            let (status, body) = start_over(&alice, "wrong", &upload).await;
            answers.push(body["code"].as_str().unwrap().to_owned());
            if status == 429 {
                break;
            }
        }
        assert_eq!(answers.last().map(String::as_str), Some("locked_out"), "{answers:?}");
        let (status, body) = start_over(&alice, PASSWORD, &upload).await;
        assert_eq!((status, body["code"].as_str()), (429, Some("locked_out")));
        assert!(body["retryAfter"].as_u64().is_some_and(|seconds| seconds > 0));
    }
}
