//! The client library looks after its keys by itself: it replaces old ones, makes more of those that run low, and still
//! reads what was written under the old ones.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use client_core::{Client, Clock, Event, Options, Reconnect, Registration, Unlock, wire::Address};
use process::{Homeserver, Kind, Person, person::PASSWORD};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_hours(24);

/// Someone whose clock can be turned.
struct Party {
    client: Client,
    days: Arc<AtomicU64>,
}

impl Party {
    async fn register(server: &Homeserver, name: &str) -> Self {
        let days = Arc::new(AtomicU64::new(0));
        let turned = days.clone();
        let clock = Clock::from_fn(move || {
            #[allow(clippy::disallowed_methods)] // it begins with today
            let now = SystemTime::now();
            now + DAY * u32::try_from(turned.load(Ordering::Relaxed)).unwrap()
        });
        let home = server.directory.path().join(format!("library-{name}"));
        let options = Options { clock, ..Options::new(home, Unlock::Key([1; 32])) };
        let registration = Registration { name: name.into(), password: PASSWORD.into(), invite: None };
        let client = Client::register(&options, &server.url, &registration).await.unwrap();
        Self { client, days }
    }

    fn address(&self) -> &Address {
        self.client.address()
    }

    /// Connects until everything that waited has come; the texts that came.
    async fn catch_up(&self) -> Vec<String> {
        let mut connection = self.client.connect(Reconnect::Never).await.unwrap();
        let mut texts = Vec::new();
        loop {
            match timeout(PATIENCE, connection.next()).await.unwrap().unwrap() {
                Event::Message(message) => texts.push(message.text().unwrap_or("(unreadable)").to_owned()),
                Event::Drained => break,
                _ => {}
            }
        }
        connection.close().await;
        texts
    }

    /// Connects until a message has been taken.
    async fn deliver(&self) {
        let mut connection = self.client.connect(Reconnect::Never).await.unwrap();
        while !matches!(timeout(PATIENCE, connection.next()).await.unwrap().unwrap(), Event::Status(_)) {}
        connection.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lasting_keys_are_replaced_every_week_and_old_ones_still_read() {
    let server = Homeserver::start(Kind::Sqlite).await.unwrap();
    let bob = Party::register(&server, "bob").await;
    let first = bob.client.account().published_keys().await.unwrap().digest;
    bob.client.check_keys().await.unwrap();
    assert_eq!(bob.client.account().published_keys().await.unwrap().digest, first, "they are new");

    // Alice claims today and writes much later.
    let alice = Party::register(&server, "alice").await;
    alice.client.safety_number(bob.address()).await.unwrap();
    bob.days.store(8, Ordering::Relaxed);
    bob.client.check_keys().await.unwrap();
    let second = bob.client.account().published_keys().await.unwrap().digest;
    assert_ne!(second, first, "after a week there are others");
    bob.client.check_keys().await.unwrap();
    assert_eq!(bob.client.account().published_keys().await.unwrap().digest, second);

    alice.client.send(bob.address(), "under the old keys").await.unwrap();
    alice.deliver().await;
    assert_eq!(bob.catch_up().await, ["under the old keys"]);

    let carol = Party::register(&server, "carol").await;
    carol.client.send(bob.address(), "under the new keys").await.unwrap();
    carol.deliver().await;
    assert_eq!(bob.catch_up().await, ["under the new keys"]);

    // Claimed long ago: nobody keeps a private key for ever.
    let dave = Party::register(&server, "dave").await;
    dave.client.safety_number(bob.address()).await.unwrap();
    for days in [16, 110, 120] {
        bob.days.store(days, Ordering::Relaxed);
        bob.client.check_keys().await.unwrap();
    }
    dave.client.send(bob.address(), "far too late").await.unwrap();
    dave.deliver().await;
    assert_eq!(bob.catch_up().await, ["(unreadable)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_keys_that_run_low_are_made_anew_while_connected() {
    let server = Homeserver::start(Kind::Sqlite).await.unwrap();
    let bob = Party::register(&server, "bob").await;
    let mut connection = bob.client.connect(Reconnect::Always).await.unwrap();
    while !matches!(connection.next().await.unwrap(), Event::Drained) {}
    // 85 claims, by as many accounts as the limit of claims asks for.
    for name in ["c0", "c1", "c2"] {
        let claimer = Person::register(&server, name).await;
        for _ in 0..29 {
            let (status, _) = claimer.request("GET", "/api/v1/users/bob/keys", None).await;
            assert_eq!(status, 200);
        }
    }
    let plenty = async {
        loop {
            let keys = bob.client.account().published_keys().await.unwrap();
            if keys.pre_keys >= 90 && keys.pq_pre_keys >= 90 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, plenty).await.unwrap();
    connection.close().await;
}
