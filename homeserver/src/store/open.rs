//! Opening either database and bringing its tables up to date.

use std::{path::Path, str::FromStr as _, time::Duration};

use secrecy::ExposeSecret as _;
use sqlx::{
    Connection as _, PgConnection, SqlitePool,
    migrate::{Migrate as _, MigrateError, Migration, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Store, text::STATEMENTS_KEPT};
use crate::config::DatabaseUrl;

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// What the writing SQLite connection keeps of the file in memory: 8 MiB, in KiB. Readers keep a quarter of that.
const WRITE_CACHE: &str = "-8192";

/// Why the database could not be opened; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It does not answer, or refuses us.
    #[error("the database {url} cannot be opened: {source}; check database_url, and that the database runs")]
    Connect {
        /// Which, without its password.
        url: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// A migration failed.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// Migrations are pending and `database.auto_migrate` is off.
    #[error("{0} migration(s) are pending: run `missivectl migrate run` first, or set database.auto_migrate = true")]
    Pending(usize),
    /// A newer version of this program has worked on the database.
    #[error("the database has migration {0}, which this version does not know: run the newer version that made it")]
    Newer(i64),
}

/// A migration, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
    /// Whether the database has it.
    pub applied: bool,
}

impl Store {
    /// Opens the database without touching its tables.
    pub async fn connect(url: &DatabaseUrl) -> std::result::Result<Self, OpenError> {
        let failed = |source| OpenError::Connect { url: url.to_string(), source };
        match url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path).await.map_err(failed),
            DatabaseUrl::Postgres(url) => open_postgres(url.expose_secret()).await.map_err(failed),
        }
    }

    /// Opens the database and brings it up to date, or fails if it is not and `auto_migrate` is off.
    pub async fn open(url: &DatabaseUrl, auto_migrate: bool) -> std::result::Result<Self, OpenError> {
        let store = Self::connect(url).await?;
        if auto_migrate {
            store.migrate().await?;
            return Ok(store);
        }
        store.refuse_newer().await?;
        match store.migrations().await?.iter().filter(|migration| !migration.applied).count() {
            0 => Ok(store),
            pending => Err(OpenError::Pending(pending)),
        }
    }

    /// Applies every pending migration.
    pub async fn migrate(&self) -> std::result::Result<(), OpenError> {
        self.refuse_newer().await?;
        match self {
            Self::Sqlite { write, .. } => SQLITE.run(write).await?,
            Self::Postgres(pool) => {
                // A migration of many rows may take longer than any statement of a server.
                let options = pool.connect_options().as_ref().clone().options([("statement_timeout", "0")]);
                let mut connection = PgConnection::connect_with(&options).await.map_err(MigrateError::from)?;
                POSTGRES.run(&mut connection).await?;
                connection.close().await.map_err(MigrateError::from)?;
            }
        }
        Ok(())
    }

    /// Every migration this program knows, and whether the database has it.
    pub async fn migrations(&self) -> std::result::Result<Vec<MigrationState>, OpenError> {
        let applied = self.applied().await?;
        let state = |migration: &Migration| MigrationState {
            version: migration.version,
            description: migration.description.to_string(),
            applied: applied.contains(&migration.version),
        };
        Ok(self.migrator().iter().map(state).collect())
    }

    /// Tables of a newer version may mean what this one does not know of: it neither starts on them nor changes them.
    async fn refuse_newer(&self) -> std::result::Result<(), OpenError> {
        match self.applied().await?.into_iter().find(|version| !self.migrator().version_exists(*version)) {
            Some(newer) => Err(OpenError::Newer(newer)),
            None => Ok(()),
        }
    }

    fn migrator(&self) -> &'static Migrator {
        match self {
            Self::Sqlite { .. } => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    /// The migrations that the database has, known or not.
    async fn applied(&self) -> std::result::Result<Vec<i64>, OpenError> {
        const TABLE: &str = "_sqlx_migrations";
        let applied = match self {
            Self::Sqlite { write, .. } => {
                let mut connection = write.acquire().await.map_err(MigrateError::from)?;
                connection.ensure_migrations_table(TABLE).await?;
                connection.list_applied_migrations(TABLE).await?
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(MigrateError::from)?;
                connection.ensure_migrations_table(TABLE).await?;
                connection.list_applied_migrations(TABLE).await?
            }
        };
        Ok(applied.into_iter().map(|one| one.version).collect())
    }
}

async fn open_sqlite(path: &Path) -> std::result::Result<Store, sqlx::Error> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(STATEMENTS_KEPT)
        .pragma("secure_delete", "ON")
        // The writer empties the write-ahead log between its transactions, by how long it is.
        .pragma("wal_autocheckpoint", "0");
    // A file cannot go away: no connection to it is tested.
    let pool = || SqlitePoolOptions::new().test_before_acquire(false);
    let write = pool().max_connections(1).connect_with(options.clone().pragma("cache_size", WRITE_CACHE)).await?;
    keep_private(path)?;
    let read: SqlitePool = pool().max_connections(4).connect_with(options).await?;
    Ok(Store::Sqlite { read, write })
}

async fn open_postgres(url: &str) -> std::result::Result<Store, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("homeserver")
        // The followers of control events re-read half a minute: no writing transaction may last longer.
        .options([("statement_timeout", "10s"), ("idle_in_transaction_session_timeout", "10s")])
        // Every query here finds a few rows by a key. A plan that is kept was made for a table as it was then, and one
        // that reads a whole queue, because it was empty, must not be found the best.
        .options([("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("jit", "off")])
        .options([("plan_cache_mode", "force_generic_plan")])
        .statement_cache_capacity(STATEMENTS_KEPT);
    Ok(Store::Postgres(postgres_pool(16).connect_with(options).await?))
}

fn postgres_pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        // A round trip to find out whether a connection lives is not worth it where it did a moment ago.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > Duration::from_secs(1) {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

impl Store {
    /// The same database for the task that writes: on PostgreSQL through a connection of its own, since its many
    /// statements would else be prepared on every one.
    pub(super) fn for_writer(&self) -> Self {
        match self {
            Self::Sqlite { .. } => self.clone(),
            Self::Postgres(pool) => {
                Self::Postgres(postgres_pool(1).connect_lazy_with(pool.connect_options().as_ref().clone()))
            }
        }
    }
}

/// The database is for its owner's eyes only.
fn keep_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
