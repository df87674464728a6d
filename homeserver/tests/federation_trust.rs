//! Other servers as this one comes to know them: a homeserver on a real port, and one that plays another, which changes its
//! keys in every way.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

#[path = "federation_trust/two.rs"]
mod two;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Database, Home, Socket};
use homeserver::{
    app::App,
    error::Error,
    model::PinnedKeys,
    peers::{call::Answer, discovery::Asker},
    service::peers::{self, PeerError},
    store::Pins,
};
use missive_wire::{Code, ServerName};
use serde_json::json;
use two::{Key, Two, two};
use uuid::Uuid;

const SECOND: i64 = 1_000;
const HOUR: i64 = 60 * 60 * SECOND;

/// A homeserver on each database, and its own two.example.
async fn pairs() -> Vec<(Home, Two)> {
    let mut pairs = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    let sqlite = (Database::sqlite(dir.path()), dir);
    let postgres = Database::postgres().await.map(|database| (database, tempfile::tempdir().unwrap()));
    for (database, dir) in [Some(sqlite), postgres].into_iter().flatten() {
        let other = Two::start().await;
        let resolve = format!("federation.resolve=two.example=http://{}", other.address);
        let home = Home::start(database, dir, &["federation.enabled=true", &resolve]).await;
        other.begin(&home);
        pairs.push((home, other));
    }
    pairs
}

async fn ping(home: &Home) -> Result<Answer, PeerError> {
    peers::ping(&home.app, &two(), Asker::Own).await
}

async fn refusal(home: &Home) -> &'static str {
    ping(home).await.map(|answer| answer.status).unwrap_err().code()
}

async fn pinned(app: &Arc<App>) -> PinnedKeys {
    app.store.pins(&two()).await.unwrap().unwrap().pinned
}

#[tokio::test]
async fn the_first_keys_are_pinned_and_a_chain_is_followed_across_restarts() {
    for (mut home, other) in pairs().await {
        assert!(!peers::is_met(&home.app, &two()).await.unwrap());
        let answer = ping(&home).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(peers::is_met(&home.app, &two()).await.unwrap());
        let row = home.app.store.peer(&two()).await.unwrap().unwrap();
        assert_eq!((row.met_at, row.reached_at, row.waiting), (home.now(), Some(home.now()), 0));

        // Before the restart, at which the homeserver tells whoever it knows that it is back.
        let second = other.rotate(Key::new(2, &home.clock));
        home.restart().await;
        assert!(peers::is_met(&home.app, &two()).await.unwrap());
        ping(&home).await.unwrap();
        assert_eq!(pinned(&home.app).await.successors["k1"], second);

        // Its document is in use for an hour; a key that is not in there is looked for.
        home.clock.advance(15 * SECOND);
        let third = other.rotate(Key::new(3, &home.clock));
        ping(&home).await.unwrap();
        let pins = pinned(&home.app).await;
        assert_eq!((pins.successors["k2"].clone(), pins.keys.len()), (third, 3));
        let details = peers::details(&home.app, &two()).await.unwrap();
        assert_eq!(details.pins.unexplained, None);
    }
}

#[tokio::test]
async fn an_unexplained_change_is_refused_and_kept_until_an_admin_accepts_it() {
    for (home, other) in pairs().await {
        ping(&home).await.unwrap();
        let before = pinned(&home.app).await;
        other.replace(Key::new(9, &home.clock));
        home.clock.advance(15 * SECOND);
        assert_eq!(refusal(&home).await, "unknown_key");
        let noticed_at = home.now();
        assert_eq!(pinned(&home.app).await, before, "what was trusted stays trusted");

        let noticed = || async { peers::details(&home.app, &two()).await.unwrap().pins.unexplained.unwrap() };
        let unexplained = noticed().await;
        assert_eq!(unexplained.changes, ["key k9 is new, and no trusted key vouches for it"]);
        assert_eq!((unexplained.keys.keys[0].key_id.as_str(), unexplained.noticed_at), ("k9", noticed_at));
        home.clock.advance(HOUR);
        assert_eq!(refusal(&home).await, "unknown_key");
        assert_eq!(noticed().await, unexplained, "it is noticed once");

        let admin = home.admin().await;
        let stale = homeserver::model::Unexplained { changes: Vec::new(), ..unexplained.clone() };
        let refused = peers::accept(&admin, &two(), &stale).await.unwrap_err();
        assert!(refused.message.contains("once more"), "{refused}");
        let pins = home.app.store.pins(&two()).await.unwrap().unwrap();
        let mut revoked = pins.clone();
        revoked.pinned.revoked.insert("k1".to_owned());
        assert!(home.app.store.replace_pins(&two(), &pins.pinned, &revoked).await.unwrap());
        peers::accept(&admin, &two(), &unexplained).await.unwrap();
        within_a_second(|| async { ping(&home).await.is_ok() }).await;
        assert_eq!(pinned(&home.app).await.keys.keys().collect::<Vec<_>>(), ["k9"]);
        assert_eq!(peers::details(&home.app, &two()).await.unwrap().pins.unexplained, None);
        let old = peers::key(&home.app, &two(), "k1", home.now(), Asker::Own).await.unwrap_err();
        assert_eq!(old.code(), "key_revoked", "what was revoked stays so");
    }
}

#[tokio::test]
async fn a_change_that_is_taken_back_is_forgotten() {
    for (home, other) in pairs().await {
        ping(&home).await.unwrap();
        let genuine = other.document();
        other.replace(Key::new(9, &home.clock));
        home.clock.advance(15 * SECOND);
        assert_eq!(refusal(&home).await, "unknown_key");
        other.publish(genuine, Key::new(1, &home.clock));
        home.clock.advance(15 * SECOND);
        home.clock.advance(HOUR);
        ping(&home).await.unwrap();
        assert_eq!(peers::details(&home.app, &two()).await.unwrap().pins.unexplained, None);
    }
}

#[tokio::test]
async fn a_forgotten_server_is_met_anew() {
    for (home, other) in pairs().await {
        ping(&home).await.unwrap();
        other.replace(Key::new(9, &home.clock));
        let admin = home.admin().await;
        peers::forget(&admin, &two()).await.unwrap();
        let again = peers::forget(&admin, &two()).await.unwrap_err();
        assert_eq!(again.code, Code::NotFound);
        within_a_second(|| async { ping(&home).await.is_ok() }).await;
        assert_eq!(pinned(&home.app).await.keys.keys().collect::<Vec<_>>(), ["k9"]);
    }
}

#[tokio::test]
async fn a_key_is_looked_for_at_most_every_15_seconds() {
    for (home, other) in pairs().await {
        ping(&home).await.unwrap();
        let look = |id| peers::key(&home.app, &TWO, id, home.now(), Asker::Own);
        let fetched = other.fetched();
        for id in ["a", "b", "a"] {
            assert_eq!(look(id).await.unwrap_err().code(), "unknown_key");
        }
        look("k1").await.unwrap();
        assert_eq!(other.fetched(), fetched);
        home.clock.advance(15 * SECOND);
        for id in ["a", "b", "a"] {
            assert_eq!(look(id).await.unwrap_err().code(), "unknown_key");
        }
        assert_eq!(other.fetched(), fetched + 1);
    }
}

#[tokio::test]
async fn keys_that_are_pinned_count_though_the_document_is_away() {
    for (mut home, other) in pairs().await {
        ping(&home).await.unwrap();
        other.hide();
        home.restart().await;
        peers::key(&home.app, &two(), "k1", home.now(), Asker::Own).await.unwrap();
        let unknown = peers::key(&home.app, &two(), "k2", home.now(), Asker::Own).await.unwrap_err();
        assert_eq!(unknown.code(), "status");
        let told = Error::from(unknown).message;
        assert!(told.contains("status 404") && !told.contains("http"), "{told}");
        assert_eq!(refusal(&home).await, "status");
    }
}

#[tokio::test]
async fn processes_do_not_lose_each_others_pins() {
    for (home, other) in pairs().await {
        let admin = home.admin().await;
        let find = |app| async move { peers::find(app, &two(), Asker::Own).await.unwrap().pinned };
        let (one, two_) = tokio::join!(find(&home.app), find(&admin));
        assert_eq!(one, two_);
        other.rotate(Key::new(2, &home.clock));
        home.clock.advance(HOUR);
        find(&home.app).await;
        let stale = Pins { pinned: (*one).clone(), unexplained: None };
        assert!(!home.app.store.replace_pins(&two(), &one, &stale).await.unwrap());
        assert!(!home.app.store.pin_first(&two(), &one, home.now()).await.unwrap());
        assert_eq!(find(&admin).await.keys.len(), 2);
        assert_eq!(pinned(&admin).await.keys.len(), 2);
    }
}

#[tokio::test]
async fn only_a_signed_answer_is_one_whatever_its_status() {
    for (home, other) in pairs().await {
        other.answer_with_status(503);
        assert_eq!(ping(&home).await.unwrap().status, 503);
        other.answer_unsigned();
        assert_eq!(refusal(&home).await, "unsigned");
        let told = Error::from(ping(&home).await.map(|answer| answer.status).unwrap_err());
        assert_eq!((told.code, told.details.retry_after), (Code::UnknownServer, Some(15)));
    }
}

#[tokio::test]
async fn a_server_that_gives_no_answer_is_looked_for_again() {
    for (home, other) in pairs().await {
        ping(&home).await.unwrap();
        let fetched = other.fetched();
        other.answer_unsigned();
        for _ in 0..3 {
            assert_eq!(refusal(&home).await, "unsigned");
        }
        assert_eq!(other.fetched(), fetched, "not at once");
        home.clock.advance(15 * SECOND);
        for _ in 0..3 {
            assert_eq!(refusal(&home).await, "unsigned");
        }
        assert_eq!(other.fetched(), fetched + 1);
        other.hide();
        home.clock.advance(15 * SECOND);
        assert_eq!(refusal(&home).await, "unsigned", "where it was found counts while it is not found elsewhere");
    }
}

#[tokio::test]
async fn what_cannot_pass_is_told_as_final() {
    for home in common::both().await {
        let disabled = peers::find(&home.app, &two(), Asker::Own).await.unwrap_err();
        assert_eq!((disabled.code(), disabled.is_passing()), ("federation_disabled", false));
        assert_eq!(Error::from(disabled).details.retry_after, None);
    }
    for (home, _other) in pairs().await {
        let own: ServerName = home.server_name.parse().unwrap();
        let refused = peers::find(&home.app, &own, Asker::Own).await.unwrap_err();
        assert_eq!((refused.code(), refused.is_passing()), ("own_server", false));
        let private = peers::find(&home.app, &"localhost".parse().unwrap(), Asker::Own).await.unwrap_err();
        assert_eq!((private.code(), private.is_passing()), ("refused_address", false));
        assert!(private.to_string().contains("127.0.0.1") || private.to_string().contains("::1"), "{private}");
        let told = Error::from(private).message;
        assert!(!told.contains("127.0.0.1") && !told.contains("::1"), "{told}");
    }
}

#[tokio::test]
async fn a_restored_server_is_told_now_and_after_each_hello() {
    for (home, _other) in pairs().await {
        ping(&home).await.unwrap();
        let ada = home.register("ada").await;
        let [first, second, third] = [1, 2, 3].map(Uuid::from_u128);
        let mut socket = Socket::open(&home, &ada).await;
        for incarnation in [first, first, second] {
            peers::note_incarnation(&home.app, &two(), incarnation).await;
        }
        let told = |incarnation| json!({ "peerIncarnation": { "server": "two.example", "incarnation": incarnation } });
        assert_eq!(socket.next_with("peerIncarnation").await, told(second));
        let mut again = Socket::open(&home, &ada).await;
        assert_eq!(again.next().await, told(second));

        // One that says another each time is heeded now and then only.
        peers::note_incarnation(&home.app, &two(), third).await;
        assert_eq!(home.app.store.restored_peers(-1, 10).await.unwrap()[0].peer.incarnation, second);
        home.execute("UPDATE retention_clock SET millis = millis + 600000").await;
        peers::note_incarnation(&home.app, &two(), third).await;
        assert_eq!(again.next_with("peerIncarnation").await, told(third));

        // A replica that starts later knows it too; after the message lifetime, nobody is told.
        let admin = home.admin().await;
        peers::load_restored(&admin).await.unwrap();
        assert_eq!(admin.known_peers.restored().len(), 1);
        home.execute("UPDATE retention_clock SET millis = millis + 2592000000").await;
        peers::load_restored(&home.app).await.unwrap();
        let mut late = Socket::open(&home, &ada).await;
        assert_eq!(late.next().await, json!({ "drained": true }));
    }
}

#[tokio::test]
async fn what_fails_is_noted_until_it_is_reached() {
    for (home, _other) in pairs().await {
        ping(&home).await.unwrap();
        let later = missive_wire::Timestamp::from_millis(home.now().millis() + HOUR);
        for _ in 0..2 {
            peers::note_failing(&home.app, &two(), "no connection", later).await.unwrap();
            home.clock.advance(SECOND);
        }
        let row = home.app.store.peer(&two()).await.unwrap().unwrap();
        assert_eq!((row.failures, row.next_try, row.last_error.as_deref()), (2, Some(later), Some("no connection")));
        assert_eq!(row.failing_since.unwrap().millis(), home.now().millis() - 2 * SECOND);
        ping(&home).await.unwrap();
        let row = home.app.store.peer(&two()).await.unwrap().unwrap();
        assert_eq!((row.failures, row.failing_since, row.next_try, row.last_error), (0, None, None, None));
    }
}

static TWO: std::sync::LazyLock<ServerName> = std::sync::LazyLock::new(two);

async fn within_a_second<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
