//! Opening either database and bringing its tables up to date.

use std::{path::Path, str::FromStr as _, time::Duration};

use secrecy::ExposeSecret as _;
use sqlx::{
    PgPool, SqlitePool,
    migrate::{Migrate as _, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Result, Store};
use crate::config::DatabaseUrl;

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

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
    /// A migration failed, or the database is of a newer version.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// Migrations are pending and `database.auto_migrate` is off.
    #[error("{0} migration(s) are pending: run `missivectl migrate run` first, or set database.auto_migrate = true")]
    Pending(usize),
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
        } else {
            let pending = store.migrations().await?.iter().filter(|migration| !migration.applied).count();
            if pending > 0 {
                return Err(OpenError::Pending(pending));
            }
        }
        Ok(store)
    }

    /// Applies every pending migration.
    pub async fn migrate(&self) -> std::result::Result<(), OpenError> {
        match self {
            Self::Sqlite { write, .. } => SQLITE.run(write).await?,
            Self::Postgres(pool) => POSTGRES.run(pool).await?,
        }
        Ok(())
    }

    /// Every migration this program knows, and whether the database has it.
    pub async fn migrations(&self) -> std::result::Result<Vec<MigrationState>, OpenError> {
        const TABLE: &str = "_sqlx_migrations";
        let (migrator, applied) = match self {
            Self::Sqlite { write, .. } => {
                let mut connection = write.acquire().await.map_err(MigrateError::from)?;
                connection.ensure_migrations_table(TABLE).await?;
                (&SQLITE, connection.list_applied_migrations(TABLE).await?)
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(MigrateError::from)?;
                connection.ensure_migrations_table(TABLE).await?;
                (&POSTGRES, connection.list_applied_migrations(TABLE).await?)
            }
        };
        Ok(migrator
            .iter()
            .map(|migration| MigrationState {
                version: migration.version,
                description: migration.description.to_string(),
                applied: applied.iter().any(|one| one.version == migration.version),
            })
            .collect())
    }

    /// Bytes that the database takes, as far as it can tell.
    pub async fn size_bytes(&self) -> Result<i64> {
        const SQLITE: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        const POSTGRES: &str = "SELECT pg_database_size(current_database())";
        Ok(match self {
            Self::Sqlite { read, .. } => sqlx::query_scalar(SQLITE).fetch_one(read).await?,
            Self::Postgres(pool) => sqlx::query_scalar(POSTGRES).fetch_one(pool).await?,
        })
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
        .pragma("secure_delete", "ON");
    let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    keep_private(path)?;
    let read: SqlitePool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    Ok(Store::Sqlite { read, write })
}

async fn open_postgres(url: &str) -> std::result::Result<Store, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("homeserver")
        // The followers of control events re-read half a minute: no writing transaction may last longer.
        .options([("statement_timeout", "10s"), ("idle_in_transaction_session_timeout", "10s")]);
    let pool: PgPool =
        PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(10)).connect_with(options).await?;
    Ok(Store::Postgres(pool))
}

/// The database is for its owner's eyes only.
fn keep_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
