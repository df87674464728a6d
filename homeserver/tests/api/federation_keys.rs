//! The keys that sign what a server says to others: what is published, how they follow each other, and what is kept of
//! them.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use homeserver::{
    app::App,
    keys::federation::{KeyState, NOTICE_MILLIS, OVERLAP_MILLIS, RecoveryKey},
    service::federation_keys::{self, KeySummary, Signer},
};
use missive_wire::{Code, Timestamp};
use serde_json::{Value, json};

use crate::common::{
    Home, both, both_with,
    peer::{Peer, verifies_by},
};

const FEDERATED: &[&str] = &["federation.enabled=true"];
const DAY: i64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_federating_server_publishes_where_it_is_and_its_keys() {
    for home in both_with(FEDERATED).await {
        let reply = home.send("GET", "/.well-known/missive/server", &[], Vec::new()).await;
        assert_eq!((reply.status, &reply.headers["cache-control"]), (200, &"public, max-age=60".parse().unwrap()));
        let mut document = reply.body;
        let keys = home.get("/federation/v1/keys").await;
        assert_eq!(keys.1["data"]["keys"], document["keys"]);
        let key = document["keys"][0].take();
        assert_eq!(
            document,
            json!({
                "serverName": "one.example", "baseUrl": "https://one.example", "versions": ["1"],
                "keys": [null], "rotations": [], "revocations": [],
            })
        );
        assert_eq!(STANDARD.decode(key["publicKey"].as_str().unwrap()).unwrap().len(), 32);
        assert_eq!((&key["algorithm"], &key["validFrom"]), (&json!("ed25519"), &json!(home.now())));
        let years = Timestamp::from_millis(home.now().millis() + 5 * 365 * DAY);
        assert_eq!(key["validUntil"], json!(years));
        let signing = home.app.federation_keys.signing(&home.clock).unwrap();
        assert_eq!(key["keyId"], signing.id());
        assert!(verifies_by(&key, b"words", &signing.sign(b"words")));
        assert!(!verifies_by(&key, b"other words", &signing.sign(b"words")));
    }
    for home in both_with(&["federation.enabled=true", "federation.base_url=https://chat.one.example:8448"]).await {
        assert_eq!(document(&home).await["baseUrl"], "https://chat.one.example:8448");
    }
}

#[tokio::test]
async fn a_server_that_does_not_federate_says_so() {
    for home in both().await {
        for path in ["/.well-known/missive/server", "/federation/v1/keys"] {
            let (status, body) = home.get(path).await;
            assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{body}");
            assert!(body["error"].as_str().unwrap().contains("does not federate"), "{body}");
        }
    }
}

#[tokio::test]
async fn the_documents_count_against_the_limit_on_requests() {
    for home in both_with(&["federation.enabled=true", "limits.requests_per_second=3"]).await {
        let mut refused = false;
        for _ in 0..20 {
            refused |= home.get("/.well-known/missive/server").await.0 == 429;
        }
        assert!(refused);
    }
}

#[tokio::test]
async fn the_key_outlives_restarts_and_its_private_half_is_nowhere_in_the_clear() {
    for mut home in both_with(FEDERATED).await {
        let before = document(&home).await;
        let sealed = home.app.store.federation_keys().await.unwrap()[0].sealed.clone().unwrap();
        let context = format!("federation_keys/{}", before["keys"][0]["keyId"].as_str().unwrap());
        let secret = home.app.master_key.open(&context, &sealed).unwrap().to_vec();
        home.restart().await;
        assert_eq!(document(&home).await, before);
        let at_rest = home.at_rest().await;
        let holds = |bytes: &[u8]| at_rest.windows(bytes.len()).any(|window| window == bytes);
        assert!(holds(&sealed) || holds(hex(&sealed).as_bytes()), "the search finds what is there");
        for form in [secret.clone(), hex(&secret).into_bytes(), STANDARD.encode(&secret).into_bytes()] {
            assert!(!holds(&form));
        }
    }
}

#[tokio::test]
async fn a_database_of_before_gets_its_key_at_the_next_start() {
    for mut home in both_with(FEDERATED).await {
        let before = document(&home).await;
        home.execute("DELETE FROM federation_keys").await;
        home.restart().await;
        let after = document(&home).await;
        assert_ne!(after["keys"][0]["keyId"], before["keys"][0]["keyId"]);
        assert_eq!(after["keys"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn processes_that_start_together_agree_on_one_key() {
    for home in both_with(FEDERATED).await {
        home.execute("DELETE FROM federation_keys").await;
        let apps = tokio::join!(home.admin(), home.admin(), home.admin(), home.admin());
        let ids = [&apps.0, &apps.1, &apps.2, &apps.3].map(|app| signing(app));
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(home.app.store.federation_keys().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_rotation_is_published_within_a_second_and_the_keys_overlap() {
    for home in both_with(FEDERATED).await {
        let first = document(&home).await;
        let peer = Peer::pin(&first);
        let old = signing(&home.app);
        let next = rotate(&home.admin().await, Signer::Newest).await;
        assert_eq!((next.state, next.signed_by.as_deref()), (KeyState::Next, Some(old.as_str())));
        let new = next.key.key_id;

        let published = published_with(&home, 2).await;
        assert_eq!(peer.trusts(&published), [old.clone(), new.clone()].into());
        let begins = Timestamp::from_millis(home.now().millis() + NOTICE_MILLIS);
        assert_eq!(published["rotations"][0]["validFrom"], json!(begins));
        assert_eq!(published["rotations"][0]["validUntil"], published["keys"][1]["validUntil"]);
        let ends = Timestamp::from_millis(begins.millis() + OVERLAP_MILLIS);
        assert_eq!(published["keys"][0]["validUntil"], json!(ends), "a week after its successor begins");

        home.clock.advance(NOTICE_MILLIS - 1);
        assert_eq!(signing(&home.app), old, "not before everyone can know it");
        home.clock.advance(1);
        assert_eq!(signing(&home.app), new);
        assert_eq!(states(&home.app), [KeyState::Verifying, KeyState::Signing]);
        home.clock.advance(OVERLAP_MILLIS);
        assert_eq!(states(&home.app), [KeyState::Ended, KeyState::Signing]);
        let later = document(&home).await;
        assert_eq!(peer.trusts(&later), [new.clone()].into(), "the statement stays, for peers that come late");
        assert_eq!(later["keys"].as_array().unwrap().len(), 1);

        federation_keys::tend(&home.app).await;
        let kept: Vec<_> = home.app.store.federation_keys().await.unwrap();
        assert_eq!(kept.iter().map(|key| key.sealed.is_some()).collect::<Vec<_>>(), [false, true]);
        federation_keys::reload(&home.app).await.unwrap();
        assert_eq!(signing(&home.app), new);
    }
}

#[tokio::test]
async fn keys_follow_each_other_in_one_chain() {
    for home in both_with(FEDERATED).await {
        let peer = Peer::pin(&document(&home).await);
        let admin = home.admin().await;
        for _ in 0..3 {
            rotate(&admin, Signer::Newest).await;
            home.clock.advance(DAY);
        }
        let published = published_with(&home, 4).await;
        assert_eq!(peer.trusts(&published).len(), 4);
        assert_eq!(states(&home.app)[2..], [KeyState::Verifying, KeyState::Signing]);

        let now = home.now().millis();
        let at = |millis| Some(Timestamp::from_millis(now + millis));
        let error = federation_keys::rotate(&admin, Signer::Newest, at(-1)).await.unwrap_err();
        assert_eq!(error.code, Code::Malformed, "{error}");
        let error = federation_keys::rotate(&admin, Signer::Newest, at(6 * 365 * DAY)).await.unwrap_err();
        assert!(error.code == Code::Refused && error.message.contains("valid from"), "{error}");
        federation_keys::rotate(&admin, Signer::Newest, at(30 * DAY)).await.unwrap();
        let error = federation_keys::rotate(&admin, Signer::Newest, None).await.unwrap_err();
        assert!(error.code == Code::Refused && error.message.contains("valid from"), "{error}");
        assert_eq!(federation_keys::list(&admin).len(), 5, "what is refused makes no key");
    }
}

#[tokio::test]
async fn of_two_who_rotate_at_once_neither_breaks_the_chain() {
    for home in both_with(FEDERATED).await {
        let peer = Peer::pin(&document(&home).await);
        let (one, other) = tokio::join!(home.admin(), home.admin());
        let (a, b) = tokio::join!(
            federation_keys::rotate(&one, Signer::Newest, None),
            federation_keys::rotate(&other, Signer::Newest, None)
        );
        // Both at the same time cannot be: the clock stands still, and a key begins after the one that signs for it.
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        assert_eq!(peer.trusts(&published_with(&home, 2).await).len(), 2);
    }
}

#[tokio::test]
async fn a_revoked_key_counts_for_nothing_and_another_takes_its_place() {
    for home in both_with(FEDERATED).await {
        let recovery = recovery(&home).await;
        let admin = home.admin().await;
        let peer = Peer::pin(&document_with(&home, |document| document["recoveryKey"].is_string()).await);
        let first = signing(&admin);
        let second = rotate(&admin, Signer::Newest).await.key.key_id;
        home.clock.advance(DAY);

        // The second rests on the first: both are gone.
        let revoked = federation_keys::revoke(&admin, &first, &recovery).await.unwrap();
        let third = revoked.successor.unwrap();
        assert_eq!((revoked.changed, revoked.key.state), (true, KeyState::Revoked));
        assert_eq!((third.state, third.signed_by.as_deref()), (KeyState::Signing, Some("recovery")));
        let third = third.key.key_id;
        let published = document_with(&home, |document| document["keys"][0]["keyId"] == third.as_str()).await;
        assert_eq!(peer.trusts(&published), [third.clone()].into());
        assert_eq!(published["keys"].as_array().unwrap().len(), 1);
        assert_eq!(published["revocations"][0]["keyId"], first.as_str());
        assert_eq!(signing(&home.app), third, "at once");
        assert_eq!(states(&home.app), [KeyState::Revoked, KeyState::Orphaned, KeyState::Signing]);

        // The third does not rest on the second.
        let revoked = federation_keys::revoke(&admin, &second, &recovery).await.unwrap();
        assert!(revoked.changed && revoked.successor.is_none(), "{revoked:?}");
        let again = federation_keys::revoke(&admin, &second, &recovery).await.unwrap();
        assert!(!again.changed && again.key.revoked_at == revoked.key.revoked_at, "{again:?}");
        assert_eq!(federation_keys::revoke(&admin, "nonsense", &recovery).await.unwrap_err().code, Code::NotFound);

        // A key that the recovery key signed for is a key like others.
        let fourth = rotate(&admin, Signer::Newest).await;
        assert_eq!(fourth.signed_by.as_deref(), Some(third.as_str()));
        let published = published_with(&home, 2).await;
        assert_eq!(peer.trusts(&published), [third.clone(), fourth.key.key_id].into());
        let sealed = admin.store.federation_keys().await.unwrap();
        assert!(sealed[..2].iter().all(|key| key.revoked.is_some() == key.sealed.is_none()), "private halves go");
    }
}

#[tokio::test]
async fn the_recovery_key_signs_when_the_keys_cannot() {
    for home in both_with(FEDERATED).await {
        let recovery = recovery(&home).await;
        let admin = home.admin().await;
        let peer = Peer::pin(&document_with(&home, |document| document["recoveryKey"].is_string()).await);
        let first = signing(&admin);
        home.clock.advance(6 * 365 * DAY);
        assert!(home.app.federation_keys.signing(&home.clock).is_none(), "nobody looked after it for six years");
        let error = federation_keys::rotate(&admin, Signer::Newest, None).await.unwrap_err();
        assert!(error.code == Code::Refused && error.message.contains(&first), "{error}");

        let second = rotate(&admin, Signer::Recovery(&recovery)).await;
        assert_eq!((second.state, second.signed_by.as_deref()), (KeyState::Signing, Some("recovery")));
        let third = rotate(&admin, Signer::Recovery(&recovery)).await;
        assert!(third.key.valid_from > second.key.valid_from, "the last to begin overrides");
        let published = published_with(&home, 2).await;
        assert_eq!(peer.trusts(&published), [second.key.key_id, third.key.key_id.clone()].into());
        home.clock.advance(NOTICE_MILLIS);
        assert_eq!(signing(&home.app), third.key.key_id);
    }
}

#[tokio::test]
async fn only_the_published_recovery_key_is_heeded_and_there_is_only_one() {
    for home in both_with(FEDERATED).await {
        let admin = home.admin().await;
        let (key, stranger) = (signing(&admin), RecoveryKey::generate(&home.clock).unwrap());
        let error = federation_keys::rotate(&admin, Signer::Recovery(&stranger), None).await.unwrap_err();
        assert!(error.code == Code::Refused && error.message.contains("has no recovery key"), "{error}");
        let recovery = recovery(&home).await;
        for error in [
            federation_keys::rotate(&admin, Signer::Recovery(&stranger), None).await.unwrap_err(),
            federation_keys::revoke(&admin, &key, &stranger).await.unwrap_err(),
        ] {
            assert!(error.code == Code::Refused && error.message.contains("not the recovery key"), "{error}");
        }
        assert_eq!(federation_keys::add_recovery_key(&admin, &stranger).await.unwrap_err().code, Code::Refused);
        assert_eq!(federation_keys::list(&admin).len(), 1);
        let published = document_with(&home, |document| document["recoveryKey"].is_string()).await;
        assert_eq!(published["recoveryKey"], STANDARD.encode(recovery.public()));
    }
}

#[tokio::test]
async fn a_key_near_its_end_gets_a_successor_by_itself() {
    for home in both_with(FEDERATED).await {
        let first = signing(&home.app);
        home.clock.advance((5 * 365 - 90) * DAY);
        federation_keys::tend(&home.app).await;
        assert_eq!(federation_keys::list(&home.app).len(), 1, "it is not yet time");
        home.clock.advance(DAY);
        let replica = home.admin().await;
        federation_keys::tend(&home.app).await;
        federation_keys::tend(&replica).await;
        let keys = federation_keys::list(&home.app);
        assert_eq!((keys.len(), keys[1].signed_by.as_ref()), (2, Some(&first)));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A recovery key that the server publishes.
async fn recovery(home: &Home) -> RecoveryKey {
    let key = RecoveryKey::generate(&home.clock).unwrap();
    federation_keys::add_recovery_key(&*home.admin().await, &key).await.unwrap();
    key
}

async fn rotate(app: &Arc<App>, signer: Signer<'_>) -> KeySummary {
    federation_keys::rotate(app, signer, None).await.unwrap()
}

fn signing(app: &App) -> String {
    app.federation_keys.signing(&app.clock).unwrap().id().to_owned()
}

fn states(app: &App) -> Vec<KeyState> {
    federation_keys::list(app).into_iter().map(|key| key.state).collect()
}

async fn document(home: &Home) -> Value {
    let (status, document) = home.get("/.well-known/missive/server").await;
    assert_eq!(status, 200, "{document}");
    document
}

/// What the running server publishes, within a second, once it has so many keys.
async fn published_with(home: &Home, keys: usize) -> Value {
    document_with(home, |document| document["keys"].as_array().unwrap().len() == keys).await
}

async fn document_with(home: &Home, wanted: impl Fn(&Value) -> bool) -> Value {
    let awaited = async {
        loop {
            let document = document(home).await;
            if wanted(&document) {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), awaited).await.expect("the server obeys within a second")
}
