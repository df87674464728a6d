//! A database of its own on the PostgreSQL that the run was given, and what PostgreSQL's processes use.

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::process;

/// A database; dropped by [`Postgres::remove`].
pub struct Postgres {
    /// Its URL.
    pub url: String,
    /// The first of PostgreSQL's processes, if they run on this machine.
    pub pid: Option<u32>,
    /// Whether commits reach the disk.
    pub fsync: bool,
    server: String,
    name: String,
}

impl Postgres {
    /// Makes one.
    pub async fn create(server: &str) -> Result<Self> {
        let mut connection = connect(server).await?;
        let name = format!("missive_bench_{}", Uuid::now_v7().simple());
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await?;
        let pid = u32::try_from(backend).ok().and_then(|backend| process::parent_of(backend, "postgres"));
        let (start, _) = server.rsplit_once('/').context("the PostgreSQL URL names no database")?;
        Ok(Self { url: format!("{start}/{name}"), pid, fsync: fsync == "on", server: server.to_owned(), name })
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        let mut connection = connect(&self.server).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await?;
        Ok(())
    }
}

async fn connect(server: &str) -> Result<PgConnection> {
    PgConnection::connect(server).await.context("connecting to PostgreSQL")
}
