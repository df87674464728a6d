//! The counters of `accounts` and `pending_shares` against the rows they count, on both databases: random writes, two
//! writers at once as of two servers, with accounts that are revoked, start over and are deleted meanwhile.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "process/database.rs"]
#[allow(dead_code)] // it counts rows for others
mod database;

use std::{collections::BTreeMap, sync::Arc};

use database::{Database, Kind};
use homeserver::{
    model::{DeviceKey, MessageSelector, NewStatus},
    store::{NewAccount, NewSession, Quota, Registered, Store, WriteOp, WriteResult, Writer},
};
use missive_wire::{Address, Code, Content, Delivered, DeviceId, KeyUpload, State, Timestamp};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const ROUNDS: usize = 60;
/// So small that an account's store is full at times.
const QUOTA: Quota = Quota { entries: 30, bytes: 20_000 };

/// Entries and bytes.
type Held = (i64, i64);

/// Of every account, and of every sender's share.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    accounts: BTreeMap<Uuid, Held>,
    shares: BTreeMap<(Uuid, String), Held>,
}

fn now() -> Timestamp {
    Timestamp::from_millis(1)
}

fn account(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

fn device(n: usize) -> DeviceKey {
    DeviceKey { account: account(n), device: DeviceId::FIRST }
}

fn address(n: usize) -> Address {
    format!("{}@one.example", NAMES[n]).parse().unwrap()
}

async fn rows<T>(store: &Store, text: &str) -> Vec<T>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let text = AssertSqlSafe(text.to_owned());
    match store {
        Store::Sqlite { read, .. } => sqlx::query_as(text).fetch_all(read).await.unwrap(),
        Store::Postgres(pool) => sqlx::query_as(text).fetch_all(pool).await.unwrap(),
    }
}

/// What the counters say.
async fn told(store: &Store) -> Counted {
    let accounts = rows(store, "SELECT id, pending_entries, pending_bytes FROM accounts").await;
    let shares = rows(store, "SELECT account_id, sender, entries, bytes FROM pending_shares").await;
    Counted {
        accounts: accounts.into_iter().map(|(id, entries, bytes): (_, i64, i64)| (id, (entries, bytes))).collect(),
        shares: shares.into_iter().map(|(id, sender, entries, bytes)| ((id, sender), (entries, bytes))).collect(),
    }
}

/// What the rows come to.
async fn counted(store: &Store) -> Counted {
    let mut counted = Counted::default();
    for (id,) in rows::<(Uuid,)>(store, "SELECT id FROM accounts").await {
        counted.accounts.insert(id, (0, 0));
    }
    let entries = "SELECT account_id, sender, CAST(length(content) AS BIGINT) FROM pending_messages \
                   UNION ALL SELECT account_id, sender, CAST(0 AS BIGINT) FROM message_statuses";
    for (id, sender, bytes) in rows::<(Uuid, String, i64)>(store, entries).await {
        for held in [counted.accounts.get_mut(&id).unwrap(), counted.shares.entry((id, sender)).or_default()] {
            *held = (held.0 + 1, held.1 + bytes);
        }
    }
    counted
}

async fn register(store: &Store, n: usize) {
    let new = NewAccount {
        id: account(n),
        name: NAMES[n],
        retired_name: NAMES[n].as_bytes(),
        password_hash: "-",
        identity_key: Some(b"first"),
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
    assert_eq!(store.register(&new, &session).await.unwrap(), Registered::Yes);
}

fn op(rng: &mut StdRng) -> WriteOp {
    let (from, to) = (rng.random_range(0..NAMES.len()), rng.random_range(0..NAMES.len()));
    let message_id = Uuid::from_u128(rng.random_range(0..40));
    let state = *[State::Received, State::Undeliverable].choose(rng).unwrap();
    let code = (state == State::Undeliverable).then_some(Code::Refused);
    match rng.random_range(0..10) {
        0..5 => {
            let message = Delivered {
                id: message_id,
                sender: address(from),
                sender_id: Some(account(from)),
                sender_device: DeviceId::FIRST,
                kind: None,
                content: Content::encode(&vec![7; rng.random_range(0..2_000)]),
                sent_at: now(),
            };
            WriteOp::Store { device: device(to), message: Arc::new(message), quota: QUOTA }
        }
        5..8 => {
            let which = match rng.random_range(0..3) {
                0 => MessageSelector::Id(message_id),
                _ => MessageSelector::Triple(address(from), DeviceId::FIRST, message_id),
            };
            WriteOp::Settle { device: device(to), receiver: address(to), which, state, code }
        }
        8 => {
            let state = *[State::Read, state].choose(rng).unwrap();
            let status = NewStatus { device: device(to), message_id, state, sender: address(from), code: None };
            WriteOp::PutStatus(status, rng.random_bool(0.5).then_some(QUOTA))
        }
        _ => {
            let ids = (0..10).map(|_| Uuid::from_u128(rng.random_range(0..40))).collect();
            WriteOp::AcknowledgeStatuses { device: device(to), ids, state: rng.random_bool(0.5).then_some(state) }
        }
    }
}

/// One server's writes; how many found no room.
async fn write(writer: Writer, seed: u64) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut full = 0;
    for _ in 0..ROUNDS {
        // Several at once are gathered into one transaction.
        let at_once = (0..3).map(|_| {
            let ops = (0..rng.random_range(1..8)).map(|_| op(&mut rng)).collect();
            writer.write(ops)
        });
        for written in futures_util::future::join_all(at_once.collect::<Vec<_>>()).await {
            // Two servers that wait for each other may fail for now: then nothing was written, or it is as counted.
            let results = written.map(|written| written.results).unwrap_or_default();
            full += results.iter().filter(|result| matches!(result, WriteResult::Full)).count();
        }
    }
    full
}

/// What happens to accounts meanwhile. It may be refused for now, like any transaction.
async fn disturb(store: Store, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for n in 0_u64..30 {
        let who = rng.random_range(0..NAMES.len() - 1);
        let done = match rng.random_range(0..3) {
            0 => store.revoke_account(account(who), &address(who), now()).await.map(drop),
            1 => store.restore_account(account(who), now()).await.map(drop),
            _ => {
                let (identity, upload) = (n.to_be_bytes(), KeyUpload::default());
                let keys = (identity.as_slice(), &upload, identity.as_slice());
                store.start_over(device(who), Uuid::nil(), &address(who), keys, now()).await.map(drop)
            }
        };
        if let Err(error) = done {
            assert!(error.0.to_string().contains("deadlock"), "{error:?}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(rng.random_range(0..20))).await;
    }
    let dave = NAMES.len() - 1;
    while store.delete_account(account(dave), &address(dave), b"dave", now()).await.is_err() {}
}

async fn check(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let Some(database) = Database::create(kind, directory.path()).await else { return };
    let url = database.url.parse().unwrap();
    let store = Store::open(&url, true).await.unwrap();
    if let Store::Postgres(pool) = &store {
        // Locks that wait for each other are found at once, not after a second.
        let hasty = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''20ms''', current_database()); END $$";
        sqlx::query(hasty).execute(pool).await.unwrap();
    }
    let store = Store::open(&url, true).await.unwrap();
    let other = match &store {
        Store::Sqlite { .. } => store.clone(),
        Store::Postgres(_) => Store::open(&url, true).await.unwrap(),
    };
    for n in 0..NAMES.len() {
        register(&store, n).await;
    }
    for seed in 0..3 {
        let own = || address(0).server;
        let (one, two) = (Writer::start(&store, own()), Writer::start(&other, own()));
        let (full, full_too, ()) =
            tokio::join!(write(one, seed), write(two, seed + 100), disturb(store.clone(), seed + 200));
        assert!(full + full_too > 0, "nothing ever found no room");
        let counted = counted(&store).await;
        assert!(!counted.shares.is_empty(), "nothing to count");
        assert_eq!(told(&store).await, counted, "seed {seed}");
    }
    other.close().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_what_the_rows_come_to_on_sqlite() {
    check(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_what_the_rows_come_to_on_postgres() {
    check(Kind::Postgres).await;
}
