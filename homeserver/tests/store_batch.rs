//! Batches of random operations on both databases, each against what it must come to one operation after the other.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "process/database.rs"]
#[allow(dead_code)] // it counts rows for others
mod database;
#[path = "store_batch/model.rs"]
mod model;

use std::{collections::BTreeMap, sync::Arc};

use database::{Database, Kind};
use futures_util::future::join_all;
use homeserver::{
    model::{DeviceKey, LANES, Lane, MessageSelector, NewEnvelope, NewStatus, OutboxRow, PendingRow},
    store::{NewAccount, NewSession, Quota, RemoteClaimOp, Store, WriteOp, WriteResult, Writer},
};
use missive_wire::{
    Address, Base64, Code, Content, Delivered, DeviceId, KeyUpload, MessageContent, MessageEnvelope, PreKey,
    SignedPreKey, State, Timestamp,
};
use model::{Held, Model, OWN, Ran};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

/// The last is of nobody here.
const ACCOUNTS: [&str; 4] = ["alice", "bob", "carol", "nobody"];
const STRANGERS: [&str; 3] = ["dora@two.example", "erin@two.example", "frank@three.example"];
/// So small that an account's store, a sender's share and a server's share are full at times.
const QUOTA: Quota = Quota { entries: 130, bytes: 1_100_000 };
const BATCHES: usize = 60;

fn now() -> Timestamp {
    Timestamp::from_millis(1)
}

fn account(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

fn device(account_number: usize, device: u64) -> DeviceKey {
    DeviceKey { account: account(account_number), device: DeviceId::try_from(device).unwrap() }
}

fn address(n: usize) -> Address {
    format!("{}@{OWN}", ACCOUNTS[n]).parse().unwrap()
}

async fn execute(store: &Store, text: &str) {
    match store {
        Store::Sqlite { write, .. } => drop(sqlx::query(AssertSqlSafe(text)).execute(write).await.unwrap()),
        Store::Postgres(pool) => drop(sqlx::query(AssertSqlSafe(text)).execute(pool).await.unwrap()),
    }
}

async fn rows<T>(store: &Store, text: &str) -> Vec<T>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    match store {
        Store::Sqlite { read, .. } => sqlx::query_as(AssertSqlSafe(text)).fetch_all(read).await.unwrap(),
        Store::Postgres(pool) => sqlx::query_as(AssertSqlSafe(text)).fetch_all(pool).await.unwrap(),
    }
}

async fn register(store: &Store, n: usize) {
    let new = NewAccount {
        id: account(n),
        name: ACCOUNTS[n],
        retired_name: ACCOUNTS[n].as_bytes(),
        password_hash: "-",
        identity_key: None,
        registration_id: Some(1),
        device_name: None,
        at: now(),
    };
    let session = NewSession {
        id: Uuid::new_v4(),
        account: account(n),
        device: DeviceId::FIRST,
        scope: Vec::new(),
        at: now(),
        token_hash: rand::random(),
        token_expires_at: now(),
    };
    store.register(&new, &session).await.unwrap();
}

/// Publishes keys of these ids; the store does not look at what they are.
async fn publish(store: &Store, device: DeviceKey, ids: std::ops::Range<u32>) {
    let signed = |key_id| SignedPreKey { key_id, public_key: Base64(vec![5; 33]), signature: Base64(vec![6; 64]) };
    let first = ids.start == 1;
    let upload = KeyUpload {
        registration_id: Some(1),
        signed_pre_key: first.then(|| signed(1)),
        pq_last_resort_pre_key: first.then(|| signed(1)),
        pre_keys: ids.clone().map(|key_id| PreKey { key_id, public_key: Base64(vec![5; 33]) }).collect(),
        pq_pre_keys: ids.clone().map(signed).collect(),
        ..KeyUpload::default()
    };
    let hash = ids.start.to_be_bytes();
    store.publish_keys(device, b"identity", &upload, &hash, now()).await.unwrap().unwrap();
}

struct Batches {
    rng: StdRng,
    store: Store,
    writer: Writer,
    model: Model,
    /// Rows that were read at some time, and may be gone.
    seen: Vec<(DeviceKey, PendingRow)>,
    seen_outbox: Vec<OutboxRow>,
}

impl Batches {
    async fn run(&mut self) {
        for round in 0..BATCHES {
            self.look().await;
            let requests = (0..self.rng.random_range(1..5)).map(|_| self.request()).collect::<Vec<_>>();
            // Nothing else runs on this thread, so that the writer finds all of them at once.
            let written = join_all(requests.iter().map(|ops| self.writer.write(ops.clone()))).await;
            let written = written.into_iter().map(|one| one.unwrap().results).collect::<Vec<_>>();
            let batch = requests.iter().zip(&written).enumerate().flat_map(|(request, (ops, results))| {
                assert_eq!(ops.len(), results.len());
                ops.iter().zip(results).map(move |(op, result)| Ran { request, op, result })
            });
            self.model.run(&batch.collect::<Vec<_>>());
            self.compare(round).await;
        }
    }

    /// Reads what waits for a device, as its mailbox does.
    async fn look(&mut self) {
        let device = *self.model.devices.iter().collect::<Vec<_>>().choose(&mut self.rng).copied().unwrap();
        let waiting = self.model.messages.values().filter(|(of, _)| *of == device).map(|(_, row)| row.clone());
        let waiting = waiting.collect::<Vec<_>>();
        let floor = waiting.first().map_or(0, |row| row.seq);
        let except = waiting.iter().map(|row| row.seq).filter(|_| self.rng.random_bool(0.3)).take(64);
        let except = except.collect::<Vec<_>>();
        let read = self.store.pending_messages(device, floor, &except, 40).await.unwrap();
        let read = read.iter().map(homeserver::model::StoredMessage::row).collect::<Vec<_>>();
        let wanted = waiting.into_iter().filter(|row| !except.contains(&row.seq)).take(40);
        assert_eq!(read, wanted.collect::<Vec<_>>());
        self.seen.extend(read.into_iter().map(|row| (device, row)));
        let (account_number, first) = (self.rng.random_range(0..2), DeviceId::FIRST);
        let owner = device_of(account_number, first);
        if self.model.keys.get(&owner).is_some_and(Vec::is_empty) {
            let highest: Vec<(i64,)> = rows(&self.store, "SELECT max(highest_pre_key_id) FROM devices").await;
            let start = u32::try_from(highest[0].0).unwrap() + 1;
            publish(&self.store, owner, start..start + 30).await;
            self.model.keys.insert(owner, (start..start + 30).collect());
        }
    }

    fn request(&mut self) -> Vec<WriteOp> {
        (0..self.rng.random_range(1..80)).map(|_| self.op()).collect()
    }

    fn op(&mut self) -> WriteOp {
        let rng = &mut self.rng;
        let (n, number) = (rng.random_range(0..ACCOUNTS.len()), if rng.random_bool(0.8) { 1 } else { 2 });
        let device = device(n, number);
        let message_id = Uuid::from_u128(rng.random_range(0..60));
        let (sender, sender_id) = match rng.random_range(0..6) {
            from @ 0..3 => (address(from), Some(account(from))),
            stranger => (STRANGERS[stranger - 3].parse().unwrap(), None),
        };
        let sender_device = DeviceId::FIRST;
        let state = *[State::Received, State::Undeliverable].choose(rng).unwrap();
        let code = (state == State::Undeliverable).then_some(Code::Refused);
        match rng.random_range(0..140) {
            0..50 => {
                let content = Content::encode(&vec![7; rng.random_range(0..20_000)]);
                let sent_at = now();
                let message =
                    Delivered { id: message_id, sender, sender_id, sender_device, kind: None, content, sent_at };
                WriteOp::Store { device, message: Arc::new(message), quota: QUOTA }
            }
            50..75 => {
                let (device, which) = match (rng.random_range(0..20), self.seen.choose(rng)) {
                    (0, _) => (device, MessageSelector::Id(message_id)),
                    (1..10, Some((device, row))) => (*device, MessageSelector::Row(row.clone())),
                    _ => (device, MessageSelector::Triple(sender, sender_device, message_id)),
                };
                WriteOp::Settle { device, receiver: address(n), which, state, code }
            }
            75..85 => {
                let state = *[State::Read, state].choose(rng).unwrap();
                let status = NewStatus { device, message_id, state, sender, code: None };
                WriteOp::PutStatus(status, rng.random_bool(0.5).then_some(QUOTA))
            }
            85..95 => {
                let ids = (0..20).map(|_| Uuid::from_u128(rng.random_range(0..60))).collect();
                WriteOp::AcknowledgeStatuses { device, ids, state: rng.random_bool(0.5).then_some(state) }
            }
            95..115 => {
                let (quota, device) = (rng.random_bool(0.8).then_some(QUOTA), DeviceId::FIRST);
                let receiver = STRANGERS.choose(rng).unwrap().parse().unwrap();
                let content = vec![7; rng.random_range(0..20_000)];
                let envelope =
                    NewEnvelope::message(account(n), &message_envelope(n, device, receiver, message_id, &content));
                WriteOp::Enqueue { envelope: Arc::new(envelope), quota }
            }
            115..135 if !self.seen_outbox.is_empty() => {
                let row = self.seen_outbox.choose(rng).unwrap().clone();
                let status = row.status(state, code);
                WriteOp::Dequeue { row, status }
            }
            _ => {
                let claim_id = Uuid::from_u128(rng.random_range(0..200));
                let remote = RemoteClaimOp { origin: "two.example".parse().unwrap(), claim_id, at: now(), reserve: 5 };
                WriteOp::Claim { account: account(n), remote: Some(remote).filter(|_| n < 2 && rng.random_bool(0.5)) }
            }
        }
    }

    /// Reads the outbox lane by lane, as whoever empties it does.
    async fn compare_outbox(&mut self, round: usize) {
        let mut read = 0;
        self.seen_outbox.retain(|_| self.rng.random_bool(0.2));
        for destination in self.store.outbox_destinations().await.unwrap() {
            for number in 0..LANES {
                let lane = Lane { destination: destination.clone(), number };
                let rows = self.store.outbox_rows(&lane, &[], 10_000).await.unwrap();
                assert_eq!(self.store.has_outbox(&lane).await.unwrap(), !rows.is_empty());
                assert!(rows.is_sorted_by_key(|row| row.seq));
                for row in rows {
                    read += 1;
                    let kept = self.model.outbox.get_mut(&row.key).unwrap_or_else(|| panic!("round {round}: {row:?}"));
                    assert_eq!((*kept.seq.get_or_insert(row.seq), kept.bytes), (row.seq, row.bytes), "round {round}");
                    if self.rng.random_bool(0.5) {
                        self.seen_outbox.push(row);
                    }
                }
            }
        }
        assert_eq!(read, self.model.outbox.len(), "round {round}");
    }

    async fn compare(&mut self, round: usize) {
        self.compare_outbox(round).await;
        let messages = "SELECT seq, account_id, device_id, message_id, sender FROM pending_messages ORDER BY seq";
        let messages: Vec<(i64, Uuid, i64, Uuid, String)> = rows(&self.store, messages).await;
        let expected =
            self.model.messages.values().map(|(of, row)| {
                (row.seq, of.account, i64::from(of.device.get()), row.message_id, row.sender.to_string())
            });
        assert_eq!(messages, expected.collect::<Vec<_>>(), "round {round}");
        let statuses = "SELECT account_id, device_id, message_id, sender, state, code FROM message_statuses";
        let mut statuses: Vec<(Uuid, i64, Uuid, String, i64, Option<String>)> = rows(&self.store, statuses).await;
        statuses.sort();
        let expected = self.model.statuses.iter().map(|((of, id, speaker), (state, code))| {
            let state = [State::Sent, State::Undeliverable, State::Received, State::Read]
                .iter()
                .position(|one| one == state)
                .unwrap();
            let (device, code) = (i64::from(of.device.get()), code.map(|code| code.as_str().to_owned()));
            (of.account, device, *id, speaker.clone(), i64::try_from(state).unwrap() + 1, code)
        });
        assert_eq!(statuses, expected.collect::<Vec<_>>(), "round {round}");
        let accounts = rows(&self.store, "SELECT id, pending_entries, pending_bytes FROM accounts").await;
        let accounts = accounts.into_iter().map(|(id, entries, bytes): (_, i64, i64)| (id, (entries, bytes)));
        assert_eq!(accounts.collect::<BTreeMap<_, _>>(), self.model.accounts(), "round {round}");
        let shares = rows(&self.store, "SELECT account_id, sender, entries, bytes FROM pending_shares").await;
        let shares = shares.into_iter().map(|(id, sender, entries, bytes)| ((id, sender), (entries, bytes)));
        assert_eq!(shares.collect::<BTreeMap<_, Held>>(), self.model.shares(), "round {round}");
    }
}

fn message_envelope(n: usize, device: DeviceId, receiver: Address, id: Uuid, content: &[u8]) -> MessageEnvelope {
    MessageEnvelope {
        id,
        sender: address(n),
        sender_device: device,
        receiver,
        content: MessageContent::Lone { kind: None, content: Content::encode(content) },
        registration_id: None,
        sent_at: now(),
    }
}

fn device_of(n: usize, device: DeviceId) -> DeviceKey {
    DeviceKey { account: account(n), device }
}

async fn check(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let Some(database) = Database::create(kind, directory.path()).await else { return };
    let store = Store::open(&database.url.parse().unwrap(), true).await.unwrap();
    let mut model = Model::default();
    for n in 0..3 {
        register(&store, n).await;
        model.devices.insert(device(n, 1));
    }
    // Devices are not linked yet: this is how it will look.
    let second = "INSERT INTO devices (account_id, device_id, created_at) \
                  SELECT id, 2, created_at FROM accounts WHERE name = 'bob'";
    execute(&store, second).await;
    model.devices.insert(device(1, 2));
    for n in 0..2 {
        publish(&store, device(n, 1), 1..100).await;
        model.keys.insert(device(n, 1), (1..100).collect());
    }
    let writer = Writer::start(&store, OWN.parse().unwrap());
    let mut batches =
        Batches { rng: StdRng::seed_from_u64(7), store, writer, model, seen: Vec::new(), seen_outbox: Vec::new() };
    batches.run().await;
    execute(&batches.store, "UPDATE accounts SET revoked_at = 1 WHERE name = 'carol'").await;
    batches.model.revoked.insert(account(2));
    batches.run().await;
    assert!(batches.model.messages.len() > 100, "more than one account has much");
    if kind == Kind::Sqlite {
        let log = std::fs::metadata(directory.path().join("homeserver.db-wal")).unwrap().len();
        assert!(log < 32 * 1024 * 1024, "the write-ahead log is bounded, and has {log} bytes");
    }

    // Whoever goes takes all of it along.
    for (n, name) in ACCOUNTS.iter().enumerate().take(3) {
        batches.store.delete_account(account(n), &address(n), name.as_bytes(), now()).await.unwrap().unwrap();
    }
    for table in ["pending_messages", "message_statuses", "pending_shares", "pre_keys", "devices"] {
        assert_eq!(database.rows(table).await, 0, "{table}");
    }
    batches.store.close().await;
}

#[tokio::test]
async fn a_batch_comes_to_what_its_operations_come_to_on_sqlite() {
    check(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_batch_comes_to_what_its_operations_come_to_on_postgres() {
    check(Kind::Postgres).await;
}

/// What one homeserver's members fill together is bounded too.
async fn check_origin(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let Some(database) = Database::create(kind, directory.path()).await else { return };
    let store = Store::open(&database.url.parse().unwrap(), true).await.unwrap();
    register(&store, 0).await;
    let writer = Writer::start(&store, OWN.parse().unwrap());
    let quota = Quota { entries: 700, bytes: 100_000_000 };
    let send = async |sender: String, from: u128| {
        let message = |id| Delivered {
            id: Uuid::from_u128(id),
            sender: sender.parse().unwrap(),
            sender_id: None,
            sender_device: DeviceId::FIRST,
            kind: None,
            content: Content::encode(b"ciphertext"),
            sent_at: now(),
        };
        let ops = from..from + 100;
        let ops = ops.map(|id| WriteOp::Store { device: device(0, 1), message: Arc::new(message(id)), quota });
        let results = writer.write(ops.collect()).await.unwrap().results;
        results.iter().filter(|result| matches!(result, WriteResult::Stored { new: true, .. })).count()
    };
    for n in 0..5 {
        assert_eq!(send(format!("member{n}@two.example"), 0).await, 70, "a tenth each");
    }
    assert_eq!(send("member5@two.example".to_owned(), 0).await, 0, "half for a homeserver");
    assert_eq!(send("member0@two.example".to_owned(), 0).await, 0);
    assert_eq!(send("dora@three.example".to_owned(), 0).await, 70, "others have their own");
    for n in 0..4 {
        assert_eq!(send(format!("member{n}@{OWN}"), 0).await, 70, "our own members are not counted together");
    }
    let settle = |id| WriteOp::Settle {
        device: device(0, 1),
        receiver: address(0),
        which: MessageSelector::Id(Uuid::from_u128(id)),
        state: State::Received,
        code: None,
    };
    writer.write((0..10).map(settle).collect()).await.unwrap();
    assert_eq!(send("member5@two.example".to_owned(), 1_000).await, 0, "what it has to be told takes room too");
    for number in 0..LANES {
        let lane = Lane { destination: "two.example".parse().unwrap(), number };
        let told = store.outbox_rows(&lane, &[], 1_000).await.unwrap();
        let told = told.into_iter().map(|row| WriteOp::Dequeue { row, status: None });
        writer.write(told.collect()).await.unwrap();
    }
    assert_eq!(send("member5@two.example".to_owned(), 1_000).await, 50, "what is settled makes room once that is told");
    store.close().await;
}

#[tokio::test]
async fn one_homeserver_fills_half_on_sqlite() {
    check_origin(Kind::Sqlite).await;
}

#[tokio::test]
async fn one_homeserver_fills_half_on_postgres() {
    check_origin(Kind::Postgres).await;
}
