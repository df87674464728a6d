//! Messages expire after the time that servers ran, and their senders are told; through real processes, on both
//! databases.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::time::{Duration, Instant};

use process::{Database, Homeserver, Kind, Person, Socket};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(
    what_expires_is_told_to_its_sender,
    more_expire_than_fit_into_one_commit,
    a_message_on_its_way_when_it_expires_harms_nothing,
    time_without_a_server_does_not_count,
    a_killed_server_takes_no_time_from_a_message,
    a_suspended_server_does_not_count_what_it_slept,
);

/// `retention_clock`.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
struct Clock {
    millis: i64,
    holder: Option<Uuid>,
    beat: i64,
}

impl Clock {
    async fn read(database: &Database) -> Self {
        const TEXT: &str = "SELECT millis, holder, beat FROM retention_clock";
        match database.kind {
            Kind::Sqlite => sqlx::query_as(TEXT).fetch_one(&mut database.sqlite().await).await.unwrap(),
            Kind::Postgres => sqlx::query_as(TEXT).fetch_one(&mut database.postgres().await).await.unwrap(),
        }
    }

    /// Waits until the clock is so.
    async fn until(database: &Database, reached: impl Fn(Self) -> bool) -> Self {
        for _ in 0..1_000 {
            let clock = Self::read(database).await;
            if reached(clock) {
                return clock;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the clock stays at {:?}", Self::read(database).await);
    }
}

async fn start(kind: Kind, lifetime: Duration) -> Option<(Homeserver, Person, Person)> {
    let setting = format!("retention.message_lifetime_seconds={}", lifetime.as_secs());
    let server = Homeserver::start_with(kind, &[&setting]).await?;
    let alice = Person::register(&server, "alice").await;
    let bob = Person::register(&server, "bob").await;
    Some((server, alice, bob))
}

/// Sends a message to Bob, who is away: it is stored.
async fn leave(socket: &mut Socket, n: u128) -> Value {
    let id = json!(Uuid::from_u128(n));
    socket.send(json!({"id": id, "receiver": "bob", "content": "QUJD"})).await;
    let told = socket.next().await;
    assert_eq!((&told["messageId"], &told["state"]), (&id, &json!("sent")), "{told}");
    id
}

fn is_expired(told: &Value, bob: &Person) -> bool {
    told["state"] == "undeliverable" && told["code"] == "expired" && told["sender"] == bob.address()
}

fn ids(told: &Value) -> Vec<Value> {
    told["messageIds"].as_array().cloned().unwrap_or_else(|| vec![told["messageId"].clone()])
}

async fn what_expires_is_told_to_its_sender(kind: Kind) {
    const LIFETIME: Duration = Duration::from_secs(2);
    let Some((server, alice, bob)) = start(kind, LIFETIME).await else { return };
    let carol = Person::register(&server, "carol").await;
    let (mut a, _) = alice.connect().await;
    let (mut c, _) = carol.connect().await;
    let stored = Instant::now();
    let first = leave(&mut a, 1).await;
    let second = leave(&mut c, 2).await;
    drop(c);

    let told = a.next().await;
    assert!(is_expired(&told, &bob) && told["messageId"] == first, "the connected sender is told: {told}");
    assert!(stored.elapsed() >= LIFETIME, "not earlier: {:?}", stored.elapsed());
    server.database.wait_for_rows("pending_messages", 0).await;
    let (mut c, frames) = carol.connect().await;
    assert!(is_expired(&frames[1], &bob) && frames[1]["messageId"] == second, "who was away, too: {frames:?}");
    for (socket, id) in [(&mut a, &first), (&mut c, &second)] {
        socket.send(json!({"statusAck": {"messageIds": [id], "state": "undeliverable"}})).await;
    }
    server.database.wait_for_rows("message_statuses", 0).await;
    server.database.wait_for_rows("pending_shares", 0).await;

    let third = leave(&mut a, 3).await;
    let (mut b, frames) = bob.connect().await;
    assert_eq!(frames.len(), 2, "the receiver gets nothing of what expired: {frames:?}");
    assert_eq!(frames[1]["id"], third, "and everything younger");
    b.received(&frames[1]).await;
    assert_eq!(a.next().await["state"], "received");
}

async fn more_expire_than_fit_into_one_commit(kind: Kind) {
    let Some((server, alice, bob)) = start(kind, Duration::from_secs(2)).await else { return };
    let (mut a, _) = alice.connect().await;
    for n in 1..=250 {
        leave(&mut a, n).await;
    }
    let mut told = Vec::new();
    while told.len() < 250 {
        let status = a.next().await;
        assert!(is_expired(&status, &bob), "{status}");
        a.send(json!({"statusAck": {"messageIds": ids(&status), "state": "undeliverable"}})).await;
        told.extend(ids(&status));
    }
    told.sort_by_key(ToString::to_string);
    told.dedup();
    assert_eq!(told.len(), 250, "each once");
    server.database.wait_for_rows("pending_messages", 0).await;
    server.database.wait_for_rows("message_statuses", 0).await;
}

async fn a_message_on_its_way_when_it_expires_harms_nothing(kind: Kind) {
    let Some((server, alice, bob)) = start(kind, Duration::from_secs(1)).await else { return };
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    leave(&mut a, 1).await;
    let late = b.next().await;
    assert!(is_expired(&a.next().await, &bob));
    b.received(&late).await;
    a.send(json!({"id": Uuid::from_u128(2), "receiver": "bob", "content": "QUJD"})).await;
    let next = b.next().await;
    assert_eq!(next["id"], json!(Uuid::from_u128(2)), "a late acknowledgement is no error: {next}");
    b.received(&next).await;
    // Stored first, if that acknowledgement was still being looked at.
    while a.next().await["state"] != "received" {}
    server.database.wait_for_rows("pending_messages", 0).await;
}

async fn time_without_a_server_does_not_count(kind: Kind) {
    const LIFETIME: Duration = Duration::from_secs(3);
    let Some((mut server, alice, mut bob)) = start(kind, LIFETIME).await else { return };
    let (mut a, _) = alice.connect().await;
    let id = leave(&mut a, 1).await;
    let running = Clock::read(&server.database).await;
    server.stop();
    let stopped = Clock::read(&server.database).await;
    assert!(stopped.millis > running.millis, "the last moments count: {running:?} {stopped:?}");
    assert_eq!(stopped.holder, None);

    // The time that passes is what is tested.
    tokio::time::sleep(LIFETIME + Duration::from_secs(1)).await;
    assert_eq!(Clock::read(&server.database).await, stopped);
    server.restart();
    let begun = Clock::until(&server.database, |clock| clock.millis > stopped.millis).await;
    assert!(begun.millis < stopped.millis + 2_000, "{stopped:?} {begun:?}");
    bob.follow(&server);
    let (_b, frames) = bob.connect().await;
    assert_eq!(frames[1]["id"], id, "{frames:?}");
}

async fn a_killed_server_takes_no_time_from_a_message(kind: Kind) {
    const LIFETIME: Duration = Duration::from_secs(5);
    let Some((mut server, alice, mut bob)) = start(kind, LIFETIME).await else { return };
    let (mut a, _) = alice.connect().await;
    let id = leave(&mut a, 1).await;
    let mut last = Clock::read(&server.database).await;
    for _ in 0..2 {
        Clock::until(&server.database, |clock| clock.millis > last.millis).await;
        server.kill();
        let killed = Clock::read(&server.database).await;
        assert!(killed.millis > last.millis, "{last:?} {killed:?}");
        let down = Instant::now();
        server.restart();
        let back = Clock::until(&server.database, |clock| clock.millis > killed.millis).await;
        assert!(
            back.millis - killed.millis <= i64::try_from(down.elapsed().as_millis()).unwrap(),
            "{killed:?} {back:?}"
        );
        assert_ne!(back.holder, killed.holder, "the next server advances it");
        last = back;
    }
    bob.follow(&server);
    let (_b, frames) = bob.connect().await;
    assert_eq!(frames[1]["id"], id, "{frames:?}");
}

async fn a_suspended_server_does_not_count_what_it_slept(kind: Kind) {
    const LIFETIME: Duration = Duration::from_secs(3);
    let Some((server, alice, bob)) = start(kind, LIFETIME).await else { return };
    let (mut a, _) = alice.connect().await;
    let id = leave(&mut a, 1).await;
    server.suspend();
    let asleep = Clock::read(&server.database).await;
    // The time that passes is what is tested.
    tokio::time::sleep(LIFETIME + Duration::from_secs(1)).await;
    server.resume();
    let awake = Clock::until(&server.database, |clock| clock.millis > asleep.millis).await;
    assert!(awake.millis < asleep.millis + 1_500, "two ticks at most: {asleep:?} {awake:?}");
    let (_b, frames) = bob.connect().await;
    assert_eq!(frames[1]["id"], id, "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_servers_keeps_the_clock() {
    let lifetime = Duration::from_secs(4);
    let Some((mut first, mut alice, bob)) = start(Kind::Postgres, lifetime).await else { return };
    let mut second = first.replica();
    let begun = Clock::read(&second.database).await;
    let begun = Clock::until(&second.database, |clock| clock.beat > begun.beat).await;
    let since = Instant::now();
    let later = Clock::until(&second.database, |clock| clock.millis >= begun.millis + 2_000).await;
    assert!(since.elapsed() > Duration::from_millis(1_700), "single speed: {:?}", since.elapsed());
    assert!(later.holder.is_some() && later.holder == begun.holder);

    alice.follow(&second);
    let (mut a, _) = alice.connect().await;
    leave(&mut a, 1).await;
    let told = a.next().await;
    assert!(is_expired(&told, &bob), "a sender on another server than the clock's is told: {told}");

    first.kill();
    let killed = Clock::read(&second.database).await;
    let taken = Clock::until(&second.database, |clock| clock.holder != killed.holder).await;
    assert!(taken.millis < killed.millis + 1_000, "time without a holder does not count: {killed:?} {taken:?}");
    Clock::until(&second.database, |clock| clock.millis > taken.millis && clock.holder == taken.holder).await;

    first.restart();
    second.stop();
    let after = Clock::until(&first.database, |clock| clock.holder != taken.holder && clock.holder.is_some()).await;
    Clock::until(&first.database, |clock| clock.millis > after.millis).await;
}
