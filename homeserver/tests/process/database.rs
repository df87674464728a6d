//! A database for one test: a file, or a database of its own on the PostgreSQL that `MISSIVE_TEST_POSTGRES_URL` names.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A database; a PostgreSQL one is dropped with the server that `cargo xtask test` started for the tests.
pub struct Database {
    pub kind: Kind,
    pub url: String,
}

impl Database {
    /// Makes one. `None` where PostgreSQL is left out, which continuous integration never does.
    pub async fn create(kind: Kind, directory: &Path) -> Option<Self> {
        if kind == Kind::Sqlite {
            return Some(Self { kind, url: format!("sqlite://{}", directory.join("homeserver.db").display()) });
        }
        let Ok(server) = std::env::var("MISSIVE_TEST_POSTGRES_URL") else {
            assert!(std::env::var_os("CI").is_none(), "MISSIVE_TEST_POSTGRES_URL is not set: use `cargo xtask test`");
            eprintln!("PostgreSQL is left out: MISSIVE_TEST_POSTGRES_URL is not set (`cargo xtask test` sets it)");
            return None;
        };
        let name = format!("missive_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let (start, _) = server.rsplit_once('/').unwrap();
        Some(Self { kind, url: format!("{start}/{name}") })
    }

    /// How many rows a table has.
    pub async fn rows(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        match self.kind {
            Kind::Sqlite => sqlx::query_scalar(count).fetch_one(&mut self.sqlite().await).await.unwrap(),
            Kind::Postgres => sqlx::query_scalar(count).fetch_one(&mut self.postgres().await).await.unwrap(),
        }
    }

    /// Waits until a table has so many rows.
    pub async fn wait_for_rows(&self, table: &str, wanted: i64) {
        for _ in 0..1_000 {
            if self.rows(table).await == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{table} has {} rows, not {wanted}", self.rows(table).await);
    }

    pub async fn sqlite(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.url).await.unwrap()
    }

    pub async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}
