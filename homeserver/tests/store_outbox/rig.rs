//! A database with accounts, and its writer.

use std::sync::Arc;

use homeserver::{
    model::{DeviceKey, LANES, Lane, NewEnvelope, OutboxRow},
    store::{NewAccount, NewSession, Quota, Store, WriteOp, WriteResult, Writer},
};
use missive_wire::{
    Address, Content, Delivered, DeviceId, MessageContent, MessageEnvelope, ServerName, State, StatusEnvelope,
    Timestamp,
};
use sqlx::Row as _;
use tempfile::TempDir;
use uuid::Uuid;

use crate::database::{Database, Kind};

/// Both databases for each of these tests.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::database::Kind::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::database::Kind::Postgres).await;
            })+
        }
    };
}

/// The last is of nobody here.
pub const ACCOUNTS: [&str; 3] = ["alice", "carol", "nobody"];
pub const QUOTA: Quota = Quota { entries: 1_000, bytes: 100_000_000 };

pub struct Rig {
    pub store: Store,
    pub writer: Writer,
    pub database: Database,
    _directory: TempDir,
}

pub fn now() -> Timestamp {
    Timestamp::from_millis(1_000)
}

pub fn account(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

pub fn device(n: usize) -> DeviceKey {
    DeviceKey { account: account(n), device: DeviceId::FIRST }
}

pub fn own() -> ServerName {
    "one.example".parse().unwrap()
}

pub fn address(n: usize) -> Address {
    format!("{}@one.example", ACCOUNTS[n]).parse().unwrap()
}

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// A message to an address elsewhere.
pub fn envelope(n: usize, receiver: &str, message: u128) -> Arc<NewEnvelope> {
    let message = MessageEnvelope {
        id: id(message),
        sender: address(n),
        sender_device: DeviceId::FIRST,
        receiver: receiver.parse().unwrap(),
        content: MessageContent::Lone { kind: None, content: Content::encode(b"ciphertext") },
        registration_id: None,
        sent_at: now(),
    };
    Arc::new(NewEnvelope::message(account(n), &message))
}

/// A status of a message that came from elsewhere.
pub fn status(n: usize, receiver: &str, message: u128, state: State) -> Arc<NewEnvelope> {
    let status = StatusEnvelope {
        message_ids: vec![id(message)],
        state,
        code: None,
        sender: address(n),
        receiver: receiver.parse().unwrap(),
        receiver_device: DeviceId::FIRST,
    };
    Arc::new(NewEnvelope::status(account(n), id(message), &status))
}

pub fn enqueue(envelope: &Arc<NewEnvelope>) -> WriteOp {
    WriteOp::Enqueue { envelope: envelope.clone(), quota: Some(QUOTA) }
}

/// A message from elsewhere for an account's device.
pub fn store_from(n: usize, sender: &str, message: u128) -> WriteOp {
    let message = Delivered {
        id: id(message),
        sender: sender.parse().unwrap(),
        sender_id: None,
        sender_device: DeviceId::FIRST,
        kind: None,
        content: Content::encode(b"ciphertext"),
        sent_at: now(),
    };
    WriteOp::Store { device: device(n), message: Arc::new(message), quota: QUOTA }
}

impl Rig {
    pub async fn new(kind: Kind) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::create(kind, directory.path()).await?;
        let store = Store::open(&database.url.parse().unwrap(), true).await.unwrap();
        for n in 0..ACCOUNTS.len() - 1 {
            register(&store, n).await;
        }
        let writer = Writer::start(&store, own());
        Some(Self { store, writer, database, _directory: directory })
    }

    /// Another server on the same database; on SQLite, another task of the same.
    pub async fn other_writer(&self) -> Writer {
        match &self.store {
            Store::Sqlite { .. } => self.writer.clone(),
            Store::Postgres(_) => {
                let store = Store::open(&self.database.url.parse().unwrap(), true).await.unwrap();
                Writer::start(&store, own())
            }
        }
    }

    pub async fn write(&self, ops: Vec<WriteOp>) -> Vec<WriteResult> {
        self.writer.write(ops).await.unwrap().results
    }

    /// All that waits for a homeserver, oldest first, lane by lane.
    pub async fn waiting(&self, destination: &str) -> Vec<OutboxRow> {
        let mut all = Vec::new();
        for number in 0..LANES {
            let lane = Lane { destination: destination.parse().unwrap(), number };
            all.extend(self.store.outbox_rows(&lane, &[], 10_000).await.unwrap());
        }
        all
    }

    /// The envelopes that wait for a homeserver, as they go there.
    pub async fn envelopes(&self, destination: &str) -> Vec<String> {
        let seqs = self.waiting(destination).await.iter().map(|row| row.seq).collect::<Vec<_>>();
        self.store.outbox_envelopes(&seqs).await.unwrap().into_iter().map(|(_, json)| json).collect()
    }

    /// What a share holds: entries and bytes.
    pub async fn share(&self, n: usize, name: &str) -> Option<(i64, i64)> {
        let text = "SELECT entries, bytes FROM pending_shares WHERE account_id = $1 AND sender = $2";
        Some(match &self.store {
            Store::Sqlite { read, .. } => {
                let row = sqlx::query(text).bind(account(n)).bind(name).fetch_optional(read).await.unwrap()?;
                (row.get(0), row.get(1))
            }
            Store::Postgres(pool) => {
                let row = sqlx::query(text).bind(account(n)).bind(name).fetch_optional(pool).await.unwrap()?;
                (row.get(0), row.get(1))
            }
        })
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
