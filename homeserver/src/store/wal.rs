//! SQLite's write-ahead log: written back into the database and emptied now and then, so that it stays small, and what is
//! deleted leaves the disk.

use std::path::PathBuf;

use sqlx::SqlitePool;

use super::{Result, Store};

/// The log is emptied when it has grown by so many bytes: often enough to stay in the system's memory, and seldom enough
/// that a page that changed many times is written back once.
const GROWTH: u64 = 16 * 1024 * 1024;

/// The writer waits a tenth of a second for readers to let go of the log: they need it for one query …
const HASTY: &str = "PRAGMA busy_timeout = 100";
/// … and otherwise as long as every connection does for another process (`open.rs`).
const PATIENT: &str = "PRAGMA busy_timeout = 10000";

impl Store {
    /// On SQLite, writes the write-ahead log back into the database and empties it.
    pub async fn truncate_wal(&self) -> Result<()> {
        if let Self::Sqlite { write, .. } = self {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(write).await?;
        }
        Ok(())
    }
}

/// Watches how long the log is.
pub(super) struct Wal {
    write: SqlitePool,
    log: PathBuf,
    /// How long it was when it was last looked after.
    length: u64,
}

impl Wal {
    /// The log of a store; none on PostgreSQL, which looks after its own.
    pub(super) fn of(store: &Store) -> Option<Self> {
        let Store::Sqlite { write, .. } = store else { return None };
        let mut log = write.connect_options().get_filename().as_os_str().to_owned();
        log.push("-wal");
        Some(Self { write: write.clone(), log: log.into(), length: 0 })
    }

    /// Empties the log if it has grown. What keeps it from that, like a reader that takes long, fails no write: it is
    /// tried again when the log has grown by as much again.
    pub(super) async fn bound(&mut self) {
        let length = self.measured();
        if length < self.length.saturating_add(GROWTH) {
            self.length = self.length.min(length);
            return;
        }
        if let Err(error) = self.empty().await {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
        self.length = self.measured();
    }

    async fn empty(&self) -> Result<()> {
        let mut connection = self.write.acquire().await?;
        sqlx::query(HASTY).execute(&mut *connection).await?;
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await;
        sqlx::query(PATIENT).execute(&mut *connection).await?;
        emptied?;
        Ok(())
    }

    fn measured(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }
}
