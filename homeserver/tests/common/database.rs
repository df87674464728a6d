//! An empty database of the test's own, gone with it.

use std::{path::Path, thread};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

/// Where the tests find a PostgreSQL in which they may create databases.
const POSTGRES_URL: &str = "MISSIVE_TEST_POSTGRES_URL";

pub(crate) struct Database {
    /// As in `database_url`.
    pub(crate) url: String,
    /// The server and the name, to drop a PostgreSQL database again.
    created: Option<(String, String)>,
}

impl Database {
    /// A file in `dir`.
    pub(crate) fn sqlite(dir: &Path) -> Self {
        Self { url: format!("sqlite://{}", dir.join("homeserver.db").display()), created: None }
    }

    /// A database of its own on the PostgreSQL that the environment names. `None` if it names none, which is a failure
    /// where everything is to be tested.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var(POSTGRES_URL) else {
            assert!(std::env::var("CI").is_err(), "{POSTGRES_URL} is not set: PostgreSQL would go untested");
            eprintln!("{POSTGRES_URL} is not set: PostgreSQL is left out");
            return None;
        };
        let name = format!("missive_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        // template0: nobody can be connected to it, which would make this fail.
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        let (before, _) = server.rsplit_once('/').unwrap();
        Some(Self { url: format!("{before}/{name}"), created: Some((server, name)) })
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.created.is_some()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, name)) = self.created.take() else { return };
        // A test's runtime cannot be waited on in a destructor: another thread has its own.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await?;
                connection.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await
            })
        });
        if !thread::panicking()
            && let Err(error) = dropped.join().unwrap()
        {
            eprintln!("a test's database stays behind: {error}");
        }
    }
}
