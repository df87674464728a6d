//! What cannot be taken now: a full account, a homeserver that stays away, and when it is tried again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use homeserver::{
    model::{Lane, PeerRow},
    peers::{discovery::Asker, outbound::Bounds},
    service::peers::{self, PeerRequest},
};
use missive_wire::{Address, DeviceId};
use serde_json::json;

use super::{
    faulty::{Faulty, Watched},
    people::{ALICE, BOB, acknowledge},
    proxy::Mode,
};
use crate::common::{Socket, say};

/// Half a minute: longer than a deferred pair waits the first times.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody at the other homeserver whose messages share a lane with Bob's.
fn neighbour() -> String {
    let lane = |name: &str| {
        let receiver = format!("{name}@two.example").parse::<Address>().unwrap();
        Lane::of(&ALICE.parse().unwrap(), DeviceId::FIRST, &receiver)
    };
    (0..10_000).map(|number| format!("carol{number}")).find(|name| lane(name) == lane("bob")).unwrap()
}

#[tokio::test]
async fn a_full_account_holds_up_its_own_messages_only() {
    for faulty in Faulty::both_with([&[], &["limits.pending_messages=10"]]).await {
        let (mut a, b) = faulty.chat().await;
        drop(b);
        let name = neighbour();
        let carol = faulty.pair.two.register(&name).await;
        let mut c = Watched::new(Socket::open(&faulty.pair.two, &carol).await);
        let mut sent = Vec::new();
        for _ in 0..30 {
            sent.push(a.say_soon(BOB).await);
        }
        let to_carol = format!("{name}@two.example");
        for _ in 0..5 {
            let started = Instant::now();
            let id = say(&mut a.socket, &to_carol, "aGk=").await;
            c.take_until(|carol| carol.shown.contains(&id)).await;
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        }
        let waiting = peer(&faulty).await.waiting;
        assert!((20..=22).contains(&waiting), "ten at most are there: {waiting} wait");
        let bob = faulty.pair.two.log_in("bob").await;
        let mut b = Watched::new(Socket::open(&faulty.pair.two, &bob).await);
        let started = Instant::now();
        while b.shown.len() < sent.len() || !sent.iter().all(|id| a.is_told(*id, "received")) {
            assert!(started.elapsed() < PATIENCE, "{} came", b.shown.len());
            b.take_for(Duration::from_millis(50)).await;
            a.take_for(Duration::from_millis(50)).await;
        }
        b.is_in_order(&sent);
        assert_eq!(peer(&faulty).await.waiting, 0);
    }
}

#[tokio::test]
async fn what_waits_too_long_for_a_homeserver_expires() {
    let shortly: &[&str] = &["retention.message_lifetime_seconds=2"];
    for faulty in Faulty::both_with([shortly, shortly]).await {
        let (mut a, mut b) = faulty.chat().await;
        faulty.to_two.set(Mode::Refuse);
        let id = a.say_soon(BOB).await;
        let told = loop {
            let told = a.socket.next_with("state").await;
            if told["state"] == "undeliverable" {
                break told;
            }
        };
        assert_eq!((&told["messageId"], &told["code"], &told["sender"]), (&json!(id), &json!("expired"), &json!(BOB)));
        assert_eq!(peer(&faulty).await.waiting, 0);
        // What comes afterwards goes its way.
        faulty.to_two.set(Mode::Pass);
        let next = a.say_soon(BOB).await;
        while !b.shown.contains(&next) {
            faulty.pair.clock.advance(1_000);
            b.take_for(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn pauses_grow_and_a_word_of_the_other_ends_them() {
    for faulty in Faulty::both().await {
        let (mut a, mut b) = faulty.chat().await;
        assert_eq!((peer(&faulty).await.next_try, peer(&faulty).await.failures), (None, 0));
        faulty.to_two.set(Mode::Refuse);
        let mut sent = vec![a.say_soon(BOB).await];
        let mut pauses = Vec::new();
        for failures in 1..=10 {
            let row = until_failed(&faulty, failures).await;
            let (now, next) = (faulty.pair.clock.now().millis(), row.next_try.unwrap().millis());
            assert!(row.failing_since.is_some() && row.last_error.is_some_and(|error| error.len() > 10));
            pauses.push(next - now);
            faulty.pair.clock.advance(next - now);
        }
        let doubled = pauses.windows(2).filter(|pair| pair[1] > pair[0]).count();
        assert!(doubled >= 8 && pauses[9] > 200_000 && pauses[0] < 2_000, "{pauses:?}");
        until_failed(&faulty, 11).await;
        sent.push(a.say_soon(BOB).await);

        faulty.to_two.set(Mode::Pass);
        faulty.pair.clock.advance(2_000);
        a.take_for(Duration::from_millis(1_500)).await;
        b.take_for(Duration::from_millis(50)).await;
        assert!(!b.shown.contains(&sent[0]), "its time has not come");
        let request = PeerRequest {
            method: http::Method::POST,
            path_and_query: "/federation/v1/wake",
            body: Bytes::new(),
            bounds: Bounds { time: Duration::from_secs(5), size: 16 * 1024 },
        };
        let (two, one) = (&faulty.pair.two.app, "one.example".parse().unwrap());
        assert_eq!(peers::call(two, &one, Asker::Own, request).await.unwrap().status, 200);
        // No clock is turned any more.
        b.take_until(|bob| sent.iter().all(|id| bob.shown.contains(id))).await;
        a.take_until(|alice| sent.iter().all(|id| alice.is_told(*id, "received"))).await;
        b.is_in_order(&sent);
        let row = peers::details(&faulty.pair.one.app, &"two.example".parse().unwrap()).await.unwrap().peer;
        assert_eq!((row.next_try, row.failures, row.failing_since, row.waiting), (None, 0, None, 0));
    }
}

#[tokio::test]
async fn a_message_of_the_other_wakes_as_well() {
    for faulty in Faulty::both().await {
        let (mut a, mut b) = faulty.chat().await;
        faulty.to_two.set(Mode::Refuse);
        let id = a.say_soon(BOB).await;
        for failures in 1..=8 {
            let row = until_failed(&faulty, failures).await;
            faulty.pair.clock.advance(row.next_try.unwrap().millis() - faulty.pair.clock.now().millis());
        }
        until_failed(&faulty, 9).await;
        faulty.to_two.set(Mode::Pass);
        faulty.pair.clock.advance(2_000);
        say(&mut b.socket, ALICE, "aGk=").await;
        let message = a.socket.next_with("content").await;
        acknowledge(&mut a.socket, &message).await;
        b.take_until(|bob| bob.shown.contains(&id)).await;
    }
}

/// How the one homeserver says that things stand with the other.
async fn peer(faulty: &Faulty) -> PeerRow {
    let mut peers = peers::list(&faulty.pair.one.app).await.unwrap();
    assert_eq!(peers.len(), 1);
    peers.remove(0)
}

async fn until_failed(faulty: &Faulty, failures: u64) -> PeerRow {
    let started = Instant::now();
    loop {
        let row = peer(faulty).await;
        if row.failures == failures {
            return row;
        }
        assert!(row.failures < failures && started.elapsed() < PATIENCE, "{row:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
