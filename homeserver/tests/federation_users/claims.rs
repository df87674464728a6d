//! Claims that other homeservers make here.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    draft::{Answer, Draft},
    owner::Owner,
    peer::{Peer, homes},
};
use crate::common::{Home, Pair, Person, Socket};

/// Registers someone with one-time keys of the ids 1 to `keys`; with the upload.
pub(super) async fn published(home: &Home, name: &str, keys: u32) -> (Person, Value) {
    let (person, owner) = (home.register(name).await, Owner::new());
    let mut upload = owner.upload(1..=keys);
    upload["pqLastResortPreKey"] = owner.pq(900);
    let (status, body) = person.post(&format!("/api/v1/users/{name}/keys"), &upload).await;
    assert_eq!(status, 200, "{body}");
    (person, upload)
}

/// A claim of `two.example`.
pub(super) fn claim(home: &Home, name: &str, claim_id: Uuid, requester: &str) -> Draft {
    let body = json!({ "claimId": claim_id, "requester": requester }).to_string().into_bytes();
    Draft { body, ..Draft::to(home, "POST", &format!("/federation/v1/users/{name}/claim")) }
}

async fn claimed(home: &Home, name: &str, claim_id: Uuid) -> Value {
    let Answer { status, signed, body, .. } = claim(home, name, claim_id, "bob@two.example").send(home).await;
    assert_eq!((status, signed), (200, true), "{body}");
    body["data"].clone()
}

async fn left(person: &Person) -> u64 {
    let (status, body) = person.get(&format!("/api/v1/users/{}/keys/count", person.name)).await;
    assert_eq!(status, 200, "{body}");
    body["data"]["preKeys"].as_u64().unwrap()
}

#[tokio::test]
async fn each_key_is_given_out_once_over_local_and_remote_claims() {
    for pair in Pair::both_with(&["limits.remote_claims_reserve=0"]).await {
        published(&pair.one, "alice", 50).await;
        let (bob, carol) = (pair.one.register("bob").await, pair.two.register("carol").await);
        let local = (0..40).map(|_| bob.get("/api/v1/users/alice/keys"));
        let remote = (0..40).map(|_| carol.get("/api/v1/users/alice@one.example/keys"));
        let (local, remote) = tokio::join!(join_all(local), join_all(remote));
        let (mut ec, mut pq, mut without) = (HashSet::new(), HashSet::new(), 0);
        for (status, body) in local.into_iter().chain(remote) {
            assert_eq!(status, 200, "{body}");
            let device = &body["data"]["devices"][0];
            if let Some(key) = device.get("preKey") {
                assert!(ec.insert(key["keyId"].as_u64()), "given out twice: {key}");
                assert!(pq.insert(device["pqPreKey"]["keyId"].as_u64()), "given out twice");
            } else {
                assert_eq!(device["pqPreKey"]["keyId"], 900);
                without += 1;
            }
        }
        assert_eq!((ec.len(), pq.len(), without), (50, 50, 30));
    }
}

#[tokio::test]
async fn the_same_claim_gets_the_same_bundle_also_after_a_restart() {
    let peer = Peer::start("two.example", 2).await;
    for mut home in homes(&[&peer], &[]).await {
        let (mut alice, upload) = published(&home, "alice", 40).await;
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        // Strangers do not wait for each other; what comes at once comes from a server that was met.
        assert_eq!(Draft::ping(&home).send(&home).await.status, 200);
        let at_once = join_all((0..5).map(|_| claimed(&home, "alice", first))).await;
        let expected = json!({ "identityKey": upload["identityKey"], "devices": [{
            "deviceId": 1,
            "registrationId": 4711,
            "signedPreKey": upload["signedPreKey"],
            "preKey": upload["preKeys"][0],
            "pqPreKey": upload["pqPreKeys"][0],
        }]});
        assert!(at_once.iter().all(|bundle| *bundle == expected), "{at_once:?}");
        assert_eq!(claimed(&home, "alice", second).await["devices"][0]["preKey"], upload["preKeys"][1]);
        home.restart().await;
        alice.move_to(&home);
        assert_eq!(claimed(&home, "alice@one.example", first).await, expected);
        assert_eq!(left(&alice).await, 38);

        published(&home, "carol", 1).await;
        let answer = claim(&home, "carol", first, "bob@two.example").send(&home).await;
        assert_eq!((answer.says(), answer.signed), ((400, "malformed"), true));
    }
}

#[tokio::test]
async fn others_leave_a_reserve_and_its_owner_hears_of_it() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let (alice, upload) = published(&home, "alice", 22).await;
        let bob = home.register("bob").await;
        let mut socket = Socket::open(&home, &alice).await;
        socket.next_with("drained").await;
        for taken in 0..2 {
            let device = &claimed(&home, "alice", Uuid::new_v4()).await["devices"][0];
            assert_eq!(device["preKey"], upload["preKeys"][taken]);
            assert_eq!(device["pqPreKey"], upload["pqPreKeys"][taken]);
        }
        assert_eq!(socket.next_with("keys").await["keys"], json!({ "preKeys": 20, "pqPreKeys": 20 }));
        let device = &claimed(&home, "alice", Uuid::new_v4()).await["devices"][0];
        assert_eq!((device.get("preKey"), &device["pqPreKey"]), (None, &upload["pqLastResortPreKey"]));
        let (status, body) = bob.get("/api/v1/users/alice/keys").await;
        assert_eq!((status, &body["data"]["devices"][0]["preKey"]), (200, &upload["preKeys"][2]));
        assert_eq!(left(&alice).await, 19);
    }
}

#[tokio::test]
async fn a_claim_says_why_there_is_no_bundle() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        published(&home, "alice", 1).await;
        home.register("mute").await;
        let (revoked, _) = published(&home, "revoked", 1).await;
        home.revoke(&revoked).await;
        let cases = [
            ("nobody", "bob@two.example", 404, "not_found"),
            ("alice@three.example", "bob@two.example", 404, "not_found"),
            ("mute", "bob@two.example", 404, "no_keys"),
            ("revoked", "bob@two.example", 410, "receiver_gone"),
            ("-alice", "bob@two.example", 400, "malformed"),
            ("alice", "bob@one.example", 403, "not_owner"),
            ("alice", "bob@three.example", 403, "not_owner"),
            ("alice", "bob", 400, "malformed"),
        ];
        for (name, requester, status, code) in cases {
            let answer = claim(&home, name, Uuid::new_v4(), requester).send(&home).await;
            assert_eq!((answer.says(), answer.signed), ((status, code), true), "{name} {requester}: {answer:?}");
        }
        let nothing = Draft::to(&home, "POST", "/federation/v1/users/alice/claim").send(&home).await;
        assert_eq!((nothing.says(), nothing.signed), ((400, "malformed"), true));
    }
}
