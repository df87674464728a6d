//! The database: the only place that knows SQL. One text runs on SQLite and PostgreSQL; where they differ, a visible
//! `match` says so. One function is one atomic unit.

mod accounts;
mod admin;
mod batch;
mod control_events;
mod devices;
mod federation_keys;
mod filled;
mod messages;
mod open;
mod outbox;
mod peers;
mod prekeys;
mod retention;
mod rows;
mod server;
mod sessions;
mod shares;
mod statuses;
mod text;
mod transactions;
mod wal;
mod write_op;
mod writer;

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

pub use crate::error::StoreError;
pub use accounts::{AccountSummary, NewAccount, Registered};
pub use admin::{Counts, DeviceSummary};
pub use filled::FilledLanes;
pub use messages::Backlog;
pub use open::{MigrationState, OpenError};
pub use outbox::OutboxDepth;
pub use peers::Pins;
pub use prekeys::{Claimed, ENOUGH, Refusal};
pub use retention::{ExpiredMessage, RetentionClock};
pub use server::SealedKey;
pub use sessions::{Ended, NewSession, Rotation, SessionCreated};
pub use shares::Quota;
pub use write_op::{RemoteClaimOp, WriteOp, WriteResult};
pub use writer::{Committed, WriteFailed, Writer};

/// A store function's result.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The database of a homeserver.
#[derive(Clone, Debug)]
pub enum Store {
    /// The embedded default. All writes go through the one connection of `write`.
    Sqlite {
        /// Readers.
        read: SqlitePool,
        /// The one writer.
        write: SqlitePool,
    },
    /// For production, and for several replicas.
    Postgres(PgPool),
}

/// A transaction on either database.
pub enum Tx {
    /// Begun with `BEGIN IMMEDIATE`, so that it never fails half-way for a lock.
    Sqlite(Transaction<'static, Sqlite>),
    /// At READ COMMITTED.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one query text on a store, outside a transaction: `read!(store, |db| sqlx::query(…).fetch_all(db).await)`.
macro_rules! read {
    ($store:expr, |$db:ident| $body:expr) => {
        match $store {
            $crate::store::Store::Sqlite { read, .. } => {
                let $db = read;
                $body
            }
            $crate::store::Store::Postgres(pool) => {
                let $db = pool;
                $body
            }
        }
    };
}

/// Runs one query text in a transaction: `run!(tx, |db| sqlx::query(…).execute(&mut *db).await)`.
macro_rules! run {
    ($tx:expr, |$db:ident| $body:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $db = &mut **tx;
                $body
            }
            $crate::store::Tx::Postgres(tx) => {
                let $db = &mut **tx;
                $body
            }
        }
    };
}

use shares::Shares;
use text::Dialect;
pub(crate) use {read, run};

impl Store {
    /// Begins a writing transaction.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        read!(self, |db| sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        Ok(())
    }

    /// Closes every connection; on SQLite the write-ahead log is emptied first, so that what is deleted is gone.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                if let Err(error) = self.truncate_wal().await {
                    tracing::warn!(%error, "the write-ahead log could not be emptied");
                }
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self(Box::new(error))
    }
}

/// A stored value that no version of this program writes.
pub(crate) fn corrupt(what: &'static str) -> StoreError {
    StoreError(format!("a stored {what} is not valid").into())
}
