//! Two homeservers with a proxy in front of each, and messages over it whose fate is watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use homeserver::clock::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    people::{ALICE, BOB, acknowledge},
    proxy::Proxy,
};
use crate::common::{Database, Home, Pair, Person, Socket, say};

/// Longer than a sender ever waits to hear that its message is safe: 300 ms in memory, and a commit.
pub(crate) const SOON: Duration = Duration::from_millis(1_500);

/// How long everything may take once all is well again.
const HEALED: Duration = Duration::from_secs(30);

/// A pair, each behind a proxy.
pub(crate) struct Faulty {
    pub(crate) pair: Pair,
    pub(crate) to_one: Proxy,
    pub(crate) to_two: Proxy,
}

/// A person's socket, and what it has been shown and told.
pub(crate) struct Watched {
    pub(crate) socket: Socket,
    /// Messages in the order in which they first came.
    pub(crate) shown: Vec<Uuid>,
    seen: BTreeSet<Uuid>,
    /// How many came, again ones too.
    pub(crate) copies: usize,
    /// The highest state of each message, and the error of those refused.
    pub(crate) told: BTreeMap<Uuid, String>,
}

impl Faulty {
    /// Such a pair on SQLite, then one on PostgreSQL.
    pub(crate) async fn both() -> Vec<Self> {
        Self::both_with([&[], &[]]).await
    }

    /// As [`Faulty::both`], with settings for the one homeserver and for the other.
    pub(crate) async fn both_with(settings: [&[&str]; 2]) -> Vec<Self> {
        let mut pairs = Vec::new();
        for postgres in [false, true] {
            pairs.extend(Self::start(postgres, settings).await);
        }
        pairs
    }

    async fn start(postgres: bool, settings: [&[&str]; 2]) -> Option<Self> {
        let (to_one, to_two) = (Proxy::start().await, Proxy::start().await);
        let clock = Clock::turned(Clock::default().now());
        let resolve = format!("federation.resolve=one.example={},two.example={}", to_one.url, to_two.url);
        let mut homes = Vec::new();
        for (name, proxy, settings) in [("one.example", &to_one, settings[0]), ("two.example", &to_two, settings[1])] {
            let settings = [&["federation.enabled=true", resolve.as_str()], settings].concat();
            let dir = tempfile::tempdir().unwrap();
            let database = if postgres { Database::postgres().await? } else { Database::sqlite(dir.path()) };
            let home = Home::start_as(name, "127.0.0.1:0", clock.clone(), database, dir, &settings).await;
            proxy.lead_to(&home);
            homes.push(home);
        }
        let two = homes.pop()?;
        Some(Self { pair: Pair { one: homes.pop()?, two, clock }, to_one, to_two })
    }

    /// Alice and Bob at their sockets, after a message each way.
    pub(crate) async fn chat(&self) -> (Watched, Watched) {
        let (alice, bob) = self.pair.people().await;
        let (mut a, mut b) = (self.open(&alice, true).await, self.open(&bob, false).await);
        for there in [true, false] {
            let (from, to, receiver) = if there { (&mut a, &mut b, BOB) } else { (&mut b, &mut a, ALICE) };
            let id = say(&mut from.socket, receiver, "aGk=").await;
            to.take_until(|to| to.shown.contains(&id)).await;
            from.take_until(|from| from.is_told(id, "received")).await;
        }
        (a, b)
    }

    async fn open(&self, person: &Person, at_one: bool) -> Watched {
        let home = if at_one { &self.pair.one } else { &self.pair.two };
        Watched::new(Socket::open(home, person).await)
    }

    /// Time passes, until both have everything.
    pub(crate) async fn heal(&self, people: [(&mut Watched, &[Uuid]); 2]) {
        let [(a, from_a), (b, from_b)] = people;
        let started = Instant::now();
        let done = |one: &Watched, sent: &[Uuid], got: &[Uuid]| {
            sent.iter().all(|id| one.is_told(*id, "received")) && got.iter().all(|id| one.shown.contains(id))
        };
        while !(done(a, from_a, from_b) && done(b, from_b, from_a)) {
            let missing = (left(a, from_a), left(b, from_b));
            assert!(started.elapsed() < HEALED, "still not received: {missing:?}");
            self.pair.clock.advance(1_000);
            for one in [&mut *a, &mut *b] {
                one.take_for(Duration::from_millis(50)).await;
            }
        }
        a.is_in_order(from_b);
        b.is_in_order(from_a);
    }
}

impl Watched {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, shown: Vec::new(), seen: BTreeSet::new(), copies: 0, told: BTreeMap::new() }
    }

    /// Whether that state of a message has been told.
    pub(crate) fn is_told(&self, id: Uuid, state: &str) -> bool {
        self.told.get(&id).is_some_and(|told| told == state)
    }

    /// Says something, and waits until it is safe.
    pub(crate) async fn say_soon(&mut self, receiver: &str) -> Uuid {
        let started = Instant::now();
        let id = say(&mut self.socket, receiver, "aGk=").await;
        self.take_until(|one| one.told.contains_key(&id)).await;
        assert!(started.elapsed() < SOON, "told only after {:?}", started.elapsed());
        id
    }

    /// Takes and acknowledges what comes, until that holds.
    pub(crate) async fn take_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let frame = self.socket.next().await;
            self.take(frame).await;
        }
    }

    /// Takes and acknowledges what comes within that time.
    pub(crate) async fn take_for(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(frame) = tokio::time::timeout_at(end, self.socket.next()).await {
            self.take(frame).await;
        }
    }

    async fn take(&mut self, frame: Value) {
        if frame.get("content").is_some() {
            let id = id_of(&frame["id"]);
            self.copies += 1;
            if self.seen.insert(id) {
                self.shown.push(id);
            }
            acknowledge(&mut self.socket, &frame).await;
        } else if let Some(state) = frame["state"].as_str() {
            let ids = frame["messageIds"].as_array().cloned().unwrap_or_else(|| vec![frame["messageId"].clone()]);
            for id in &ids {
                self.told.entry(id_of(id)).and_modify(|told| rise(told, state)).or_insert_with(|| state.to_owned());
            }
            if state != "sent" {
                let ack = json!({ "statusAck": { "messageIds": ids, "state": state } });
                self.socket.send(&ack).await;
            }
        } else if let Some(code) = frame["code"].as_str().filter(|_| frame.get("id").is_some()) {
            self.told.insert(id_of(&frame["id"]), code.to_owned());
        }
    }

    /// What came of these came in their order.
    pub(crate) fn is_in_order(&self, sent: &[Uuid]) {
        let shown = self.shown.iter().filter(|id| sent.contains(id)).copied().collect::<Vec<_>>();
        assert_eq!(shown, sent, "in the order in which they were sent");
    }
}

fn left(from: &Watched, sent: &[Uuid]) -> Vec<(usize, Option<String>)> {
    let open = sent.iter().enumerate().filter(|(_, id)| !from.is_told(**id, "received"));
    open.map(|(number, id)| (number, from.told.get(id).cloned())).collect()
}

fn rise(told: &mut String, state: &str) {
    if state != "sent" {
        state.clone_into(told);
    }
}

fn id_of(id: &Value) -> Uuid {
    id.as_str().unwrap().parse().unwrap()
}
