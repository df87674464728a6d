//! One encrypted SQLite file an account, with one owner.
//!
//! A copy of the file without its key tells how many rows of each kind there are, how long they are and, of what is
//! remembered for a while, the day; it tells no text, no name and no key.

mod batch;
mod error;
mod lock;
mod namespace;
mod seal;
mod unlock;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use missive_wire::Address;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx::{
    ConnectOptions as _, Row as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};
use zeroize::Zeroizing;

pub use error::StorageError;
pub use namespace::{Namespace, default_home, locks};
pub use unlock::{Unlock, WrappedBy, keyring_works};

pub(crate) use batch::{Batch, Row};

use batch::{Put, Write};
use lock::FileLock;
use seal::Sealer;

/// Part of every row's associated data, so that no row of another layout passes for one of this.
const SCHEMA_VERSION: u8 = 2;

/// How long to wait for another process's commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS rows (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        kind INTEGER NOT NULL,
        key BLOB NOT NULL,
        peer BLOB,
        day INTEGER,
        body BLOB NOT NULL,
        UNIQUE (kind, key)
    );
    CREATE INDEX IF NOT EXISTS rows_by_peer ON rows (kind, peer, position);
    CREATE INDEX IF NOT EXISTS rows_by_day ON rows (kind, day) WHERE day IS NOT NULL;
";

/// What kind of thing a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Table {
    /// The account, its tokens, its own keys, counters.
    Meta = 1,
    /// One-time EC pre-keys.
    PreKey = 2,
    /// Signed EC pre-keys.
    SignedPreKey = 3,
    /// One-time Kyber pre-keys.
    KyberPreKey = 4,
    /// Kyber pre-keys of last resort.
    KyberLastResort = 5,
    /// Base keys that were used with a last-resort key: not accepted twice.
    BaseKey = 6,
    /// Sessions, by device.
    Session = 7,
    /// Identity keys of others, by account.
    Identity = 8,
    /// Devices of others, by account.
    Devices = 9,
    /// Messages, both ways.
    Message = 10,
    /// Ciphertexts that nobody has acknowledged.
    Outbox = 11,
    /// Which messages have been received.
    Seen = 12,
    /// `read` statuses that the server has not noted.
    Owed = 13,
    /// Conversations, by account.
    Conversation = 14,
    /// Which received messages nobody has been shown.
    Unread = 15,
    /// What is noted of a contact.
    Contact = 16,
    /// Messages of blocked accounts.
    Hidden = 17,
    /// Messages to encrypt again.
    Again = 18,
    /// Under which id a message was encrypted again.
    Alias = 19,
    /// Work that another process has left for the owner.
    Handed = 20,
}

/// A namespace's rows.
pub struct Storage {
    pool: SqlitePool,
    sealer: Sealer,
    directory: PathBuf,
    owner: Option<FileLock>,
}

impl Storage {
    /// Opens an account's namespace as its owner, waiting at most `patience` for another process that has it open.
    pub async fn open(namespace: &Namespace, patience: Duration) -> Result<Self, StorageError> {
        let lock = FileLock::take(&namespace.directory.join("lock"), patience).await?;
        Self::connect(namespace, Some(lock)).await
    }

    /// Opens an account's namespace beside its owner: for everything but the cryptographic state.
    pub async fn beside(namespace: &Namespace) -> Result<Self, StorageError> {
        Self::connect(namespace, None).await
    }

    async fn connect(namespace: &Namespace, owner: Option<FileLock>) -> Result<Self, StorageError> {
        let directory = namespace.directory.clone();
        let pool = pool(&directory.join("store.db")).await?;
        Ok(Self { pool, sealer: Sealer::new(&namespace.key), directory, owner })
    }

    /// Whether this process is the one that may change the cryptographic state.
    pub fn is_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// Takes a lock that the processes of this account share beside the owner's.
    pub(crate) async fn lock(&self, name: &str, patience: Duration) -> Result<FileLock, StorageError> {
        FileLock::take(&self.directory.join(format!("{name}.lock")), patience).await
    }

    /// Another number after another process has written.
    pub(crate) async fn data_version(&self) -> Result<i64, StorageError> {
        Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(&self.pool).await?)
    }

    /// Closes the file; what was written is in it whether or not this is called.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn get_bytes(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        let hash = self.sealer.hash(table as u8, key);
        let row = sqlx::query("SELECT body FROM rows WHERE kind = $1 AND key = $2")
            .bind(table as i64)
            .bind(hash.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| self.sealer.open(&associated(table, &hash), row.get(0))).transpose()
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StorageError> {
        self.get_bytes(table, key).await?.map(|body| from_json(&body)).transpose()
    }

    /// Rows of a kind after a position, oldest first, with their positions.
    pub(crate) async fn list_after<T: DeserializeOwned>(
        &self,
        table: Table,
        position: i64,
        limit: u32,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let rows = sqlx::query(
            "SELECT position, key, body FROM rows WHERE kind = $1 AND position > $2 ORDER BY position LIMIT $3",
        )
        .bind(table as i64)
        .bind(position)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.get(0), self.open_row(table, row)?))).collect()
    }

    /// Rows of a kind about an account after a position, oldest first, with their positions.
    pub(crate) async fn list_after_for<T: DeserializeOwned>(
        &self,
        table: Table,
        peer: &Address,
        position: i64,
        limit: u32,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let rows = sqlx::query(
            "SELECT position, key, body FROM rows WHERE kind = $1 AND peer = $2 AND position > $3
             ORDER BY position LIMIT $4",
        )
        .bind(table as i64)
        .bind(self.peer_hash(table, peer).as_slice())
        .bind(position)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.get(0), self.open_row(table, row)?))).collect()
    }

    /// Every row of a kind of which there are few, oldest first.
    pub(crate) async fn list_all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<T>, StorageError> {
        let rows = self.list_after(table, 0, u32::MAX).await?;
        Ok(rows.into_iter().map(|(_, value)| value).collect())
    }

    /// Rows of a kind about an account, the newest before a position, oldest first, with their positions.
    pub(crate) async fn list_before<T: DeserializeOwned>(
        &self,
        table: Table,
        peer: &Address,
        before: i64,
        limit: u32,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let rows = sqlx::query(
            "SELECT position, key, body FROM rows WHERE kind = $1 AND peer = $2 AND position < $3
             ORDER BY position DESC LIMIT $4",
        )
        .bind(table as i64)
        .bind(self.peer_hash(table, peer).as_slice())
        .bind(before)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().rev().map(|row| Ok((row.get(0), self.open_row(table, row)?))).collect()
    }

    /// How many rows of a kind there are about an account.
    pub(crate) async fn count_for(&self, table: Table, peer: &Address) -> Result<u64, StorageError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rows WHERE kind = $1 AND peer = $2")
            .bind(table as i64)
            .bind(self.peer_hash(table, peer).as_slice())
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many rows of a kind there are.
    pub(crate) async fn count(&self, table: Table) -> Result<u64, StorageError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rows WHERE kind = $1")
            .bind(table as i64)
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Commits every write of the batch, or none.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for write in batch.writes {
            match write {
                Write::Put(put) => self.put(&mut transaction, put).await?,
                Write::Delete { table, key } => {
                    sqlx::query("DELETE FROM rows WHERE kind = $1 AND key = $2")
                        .bind(table as i64)
                        .bind(self.sealer.hash(table as u8, &key).as_slice())
                        .execute(&mut *transaction)
                        .await?;
                }
                Write::Forget { table, before_day } => {
                    sqlx::query("DELETE FROM rows WHERE kind = $1 AND day < $2")
                        .bind(table as i64)
                        .bind(before_day)
                        .execute(&mut *transaction)
                        .await?;
                }
                Write::Clear { table } => {
                    sqlx::query("DELETE FROM rows WHERE kind = $1")
                        .bind(table as i64)
                        .execute(&mut *transaction)
                        .await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn put(&self, connection: &mut sqlx::SqliteConnection, put: Put) -> Result<(), StorageError> {
        let hash = self.sealer.hash(put.table as u8, &put.key);
        let body = self.sealer.seal(&associated(put.table, &hash), &put.body)?;
        let peer = put.peer.map(|peer| self.peer_hash(put.table, &peer).to_vec());
        sqlx::query(
            "INSERT INTO rows (kind, key, peer, day, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (kind, key) DO UPDATE SET peer = excluded.peer, day = excluded.day, body = excluded.body",
        )
        .bind(put.table as i64)
        .bind(hash.to_vec())
        .bind(peer)
        .bind(put.day)
        .bind(body)
        .execute(connection)
        .await?;
        Ok(())
    }

    fn open_row<T: DeserializeOwned>(&self, table: Table, row: &sqlx::sqlite::SqliteRow) -> Result<T, StorageError> {
        from_json(&self.sealer.open(&associated(table, row.get(1)), row.get(2))?)
    }

    /// Apart from the hash of any key, so that the two cannot be matched.
    fn peer_hash(&self, table: Table, peer: &Address) -> seal::Hash {
        self.sealer.hash(table as u8, format!("peer {peer}").as_bytes())
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

/// What a row's body is bound to: moved to another row, it does not open.
fn associated(table: Table, hash: &[u8]) -> Vec<u8> {
    [&[SCHEMA_VERSION, table as u8], hash].concat()
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(body).map_err(|_| StorageError::Damaged("a row cannot be read"))
}

/// One connection: what a process does with an account is done in turn.
async fn pool(path: &Path) -> Result<SqlitePool, StorageError> {
    private(fs::OpenOptions::new().append(true).create(true)).open(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Full)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("secure_delete", "ON")
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let pool =
        SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options).await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    Ok(pool)
}

/// Files that only their owner may read.
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
