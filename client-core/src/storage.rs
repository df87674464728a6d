//! One encrypted SQLite file an account, with one owner.
//!
//! A copy of the file without its key tells how many rows of each kind there are, how long they are and, of what is
//! remembered for a while, the day; it tells no text, no name and no key.

mod batch;
mod durable;
mod error;
mod lock;
mod namespace;
mod rows;
mod seal;
mod unlock;
mod wrapping;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

pub use error::StorageError;
pub use namespace::{Namespace, default_home, locks};
pub use unlock::{Unlock, WrappedBy};
pub use wrapping::keyring_works;

pub(crate) use batch::{Batch, Row};

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
    /// What came of it.
    Outcome = 21,
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
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
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
