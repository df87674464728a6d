//! Claiming bundles.

use serde_json::json;

use super::{Owner, claim, count, publish, published, rotate};
use crate::common::{Socket, both, both_with};

#[tokio::test]
async fn a_claim_takes_the_oldest_keys_and_answers_without_any() {
    for home in both().await {
        let (alice, owner) = (home.register("alice").await, Owner::new());
        let bob = home.register("bob").await;
        let mut upload = owner.upload(1..=2);
        upload["pqLastResortPreKey"] = owner.pq(900);
        assert_eq!(publish(&alice, &upload).await.0, 200);
        for taken in 0..2 {
            let (status, body) = claim(&bob, "alice").await;
            let expected = json!({ "identityKey": upload["identityKey"], "devices": [{
                "deviceId": 1,
                "registrationId": 4711,
                "signedPreKey": upload["signedPreKey"],
                "preKey": upload["preKeys"][taken],
                "pqPreKey": upload["pqPreKeys"][taken],
            }]});
            assert_eq!((status, &body["data"]), (200, &expected));
        }
        let (status, body) = claim(&bob, &format!("alice@{}", home.server_name)).await;
        let expected = json!({ "identityKey": upload["identityKey"], "devices": [{
            "deviceId": 1,
            "registrationId": 4711,
            "signedPreKey": upload["signedPreKey"],
            "pqPreKey": upload["pqLastResortPreKey"],
        }]});
        assert_eq!((status, &body["data"]), (200, &expected));
        let counted = count(&alice).await;
        assert_eq!((&counted["preKeys"], &counted["pqPreKeys"]), (&json!(0), &json!(0)));
    }
}

#[tokio::test]
async fn a_claim_says_why_there_is_no_bundle() {
    for home in both().await {
        let bob = home.register("bob").await;
        home.register("mute").await;
        let (revoked, _) = published(&home, "revoked", 1).await;
        home.revoke(&revoked).await;
        let cases = [
            ("nobody", 404, "not_found"),
            ("mute", 404, "no_keys"),
            ("alice@elsewhere.example", 404, "unknown_server"),
            ("alice@Two..", 400, "malformed"),
            ("-alice", 400, "malformed"),
            ("revoked", 410, "receiver_gone"),
        ];
        for (name, status, code) in cases {
            let (got, body) = claim(&bob, name).await;
            assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{name}: {body}");
        }
    }
}

#[tokio::test]
async fn keys_are_opened_by_their_scopes_and_only_to_their_owner() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 1).await;
        let bob = home.register("bob").await;
        let reader = alice.with_scope(&["keys:read"]).await;
        let writer = alice.with_scope(&["keys:write", "profile:read", "profile:write", "messages:read"]).await;
        let upload = json!({ "signedPreKey": owner.signed(5) });
        let path = "/api/v1/users/alice";
        let start_over = json!({ "password": "x" });
        let refused = [
            ("publish", reader.post(&format!("{path}/keys"), &upload).await, 403, "missing_scope"),
            ("rotate", reader.patch(&format!("{path}/keys"), &upload).await, 403, "missing_scope"),
            ("start over", reader.post(&format!("{path}/identity"), &start_over).await, 403, "missing_scope"),
            ("claim", writer.get(&format!("{path}/keys")).await, 403, "missing_scope"),
            ("count", writer.get(&format!("{path}/keys/count")).await, 403, "missing_scope"),
            ("another's publish", bob.post(&format!("{path}/keys"), &upload).await, 403, "not_owner"),
            ("another's rotation", bob.patch(&format!("{path}/keys"), &upload).await, 403, "not_owner"),
            ("another's count", bob.get(&format!("{path}/keys/count")).await, 403, "not_owner"),
            ("another's identity", bob.post(&format!("{path}/identity"), &start_over).await, 403, "not_owner"),
            ("nobody's count", bob.get("/api/v1/users/nobody/keys/count").await, 403, "not_owner"),
            ("no token", home.get(&format!("{path}/keys")).await, 401, "unauthorized"),
        ];
        for (what, (status, body), expected, code) in refused {
            assert_eq!((status, body["code"].as_str()), (expected, Some(code)), "{what}: {body}");
        }
        assert_eq!(claim(&reader, "alice").await.0, 200);
        assert_eq!(rotate(&writer, &upload).await.0, 200);
    }
}

#[tokio::test]
async fn claims_are_budgeted_per_claimer_and_per_target() {
    for home in both_with(&["limits.claims_per_minute=3", "limits.claims_per_target_per_minute=2"]).await {
        for name in ["alice", "carol", "dave"] {
            published(&home, name, 1).await;
        }
        let (bob, eve) = (home.register("bob").await, home.register("eve").await);
        let mut statuses = Vec::new();
        for name in ["alice", "alice", "Alice", "carol"] {
            statuses.push(claim(&bob, name).await.0);
        }
        assert_eq!(statuses, [200, 200, 429, 429]);
        for name in ["alice", "carol", "dave"] {
            assert_eq!(claim(&eve, name).await.0, 200);
        }
        let (status, body) = claim(&eve, "nobody").await;
        assert_eq!((status, body["code"].as_str()), (429, Some("rate_limited")));
        assert!(body["retryAfter"].as_u64().is_some_and(|seconds| seconds > 0), "{body}");
    }
}

#[tokio::test]
async fn the_owner_is_told_when_one_time_keys_run_low() {
    for home in both().await {
        let (alice, _) = published(&home, "alice", 20).await;
        let bob = home.register("bob").await;
        let mut socket = Socket::open(&home, &alice).await;
        socket.next_with("drained").await;
        assert_eq!(claim(&bob, "alice").await.0, 200);
        assert_eq!(socket.next_with("keys").await["keys"], json!({ "preKeys": 19, "pqPreKeys": 19 }));
    }
}
