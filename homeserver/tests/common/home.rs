//! A homeserver that serves.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use homeserver::{
    app::App,
    clock::Clock,
    config::{Config, Flags},
    server::Server,
    service::accounts,
    store::Store,
};
use missive_wire::Timestamp;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Database, PASSWORD, Person, Reply, Socket};

/// Keys of the configuration that a test sets, as in `--set`.
pub(crate) type Settings<'a> = &'a [&'a str];

/// High enough that only a test that lowers them meets them; on all the same.
const LIMITS: [&str; 11] = [
    "limits.registrations_per_hour=100000",
    "limits.logins_per_minute=100000",
    "limits.claims_per_minute=100000",
    "limits.claims_per_target_per_minute=100000",
    "limits.searches_per_minute=100000",
    "limits.peer_claims_per_minute=100000",
    "limits.domain_claims_per_minute=100000",
    "limits.domain_searches_per_minute=100000",
    "limits.requests_per_second=100000",
    "limits.frames_per_second=100000",
    "limits.peer_failures_per_minute=100000",
];

/// A running homeserver on a database of its own.
pub(crate) struct Home {
    /// Its name in addresses.
    pub(crate) server_name: String,
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    /// Its state, to look into.
    pub(crate) app: Arc<App>,
    /// Its clock, which stands still until it is turned.
    pub(crate) clock: Clock,
    pub(crate) client: reqwest::Client,
    config: Config,
    // Dropped in this order.
    server: Option<Server>,
    database: Database,
    dir: TempDir,
}

/// Another server on a home's database, with the same clock.
pub(crate) struct Replica {
    pub(crate) url: String,
    server: Server,
    _dir: TempDir,
}

/// A homeserver on SQLite, then one on PostgreSQL.
pub(crate) async fn both() -> Vec<Home> {
    both_with(&[]).await
}

/// As [`both`], with settings.
pub(crate) async fn both_with(settings: Settings<'_>) -> Vec<Home> {
    let dir = tempfile::tempdir().unwrap();
    let mut homes = vec![Home::start(Database::sqlite(dir.path()), dir, settings).await];
    if let Some(database) = Database::postgres().await {
        homes.push(Home::start(database, tempfile::tempdir().unwrap(), settings).await);
    }
    homes
}

impl Home {
    pub(crate) async fn start(database: Database, dir: TempDir, settings: Settings<'_>) -> Self {
        let clock = Clock::turned(Clock::default().now());
        Self::start_as("one.example", "127.0.0.1:0", clock, database, dir, settings).await
    }

    /// Starts a homeserver of that name, on that address, by that clock.
    pub(crate) async fn start_as(
        name: &str,
        listen: &str,
        clock: Clock,
        database: Database,
        dir: TempDir,
        settings: Settings<'_>,
    ) -> Self {
        let config = config(name, listen, &database, &dir, settings);
        let server = Server::start(config.clone(), clock.clone()).await.unwrap();
        Self {
            server_name: server.app.server_name.to_string(),
            url: format!("http://{}", server.address),
            app: server.app.clone(),
            clock,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            config,
            server: Some(server),
            database,
            dir,
        }
    }

    /// Stops the server and starts it again on the same data, on another port. People of before must be moved over.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Stops the server.
    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Starts the server again after [`Home::stop`].
    pub(crate) async fn start_again(&mut self) {
        let server = Server::start(self.config.clone(), self.clock.clone()).await.unwrap();
        self.url = format!("http://{}", server.address);
        self.app = server.app.clone();
        self.server = Some(server);
    }

    /// Another server on the same database, as a replica is one.
    pub(crate) async fn replica(&self) -> Replica {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data_dir: dir.path().into(), ..self.config.clone() };
        let server = Server::start(config, self.clock.clone()).await.unwrap();
        Replica { url: format!("http://{}", server.address), server, _dir: dir }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.database.is_postgres()
    }

    /// Registers someone.
    pub(crate) async fn register(&self, name: &str) -> Person {
        self.register_with(name, &json!({})).await
    }

    /// Registers someone with more members in the request.
    pub(crate) async fn register_with(&self, name: &str, more: &Value) -> Person {
        let mut body = json!({ "name": name, "password": PASSWORD });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = self.send("POST", "/api/v1/users", &[], body.to_string().into_bytes()).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        Person::logged_in(self, &reply)
    }

    /// Logs in once more.
    pub(crate) async fn log_in(&self, name: &str) -> Person {
        let reply = self.try_log_in(&json!({ "name": name, "password": PASSWORD })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        Person::logged_in(self, &reply)
    }

    /// `POST /tokens`.
    pub(crate) async fn try_log_in(&self, body: &Value) -> Reply {
        self.send("POST", "/api/v1/tokens", &[], body.to_string().into_bytes()).await
    }

    /// A message from one to the other waits in the store: its receiver is not connected.
    pub(crate) async fn leave_message(&self, sender: &Person, receiver: &Person) -> Uuid {
        let id = Uuid::new_v4();
        let mut socket = Socket::open(self, sender).await;
        socket.send(&json!({ "id": id, "receiver": receiver.name, "kind": "message", "content": "aGk=" })).await;
        let status = socket.next_with("state").await;
        assert_eq!((&status["messageId"], &status["state"]), (&json!(id), &json!("sent")), "{status}");
        id
    }

    /// Revokes an account, as its admin.
    pub(crate) async fn revoke(&self, person: &Person) {
        accounts::revoke(&self.app, person.id).await.unwrap();
    }

    /// Another process on the same database, as an admin's command is one.
    pub(crate) async fn admin(&self) -> Arc<App> {
        App::open(self.config.clone(), self.clock.clone()).await.unwrap()
    }

    /// Changes the database behind the server's back.
    pub(crate) async fn execute(&self, text: &'static str) {
        match &self.app.store {
            Store::Sqlite { write, .. } => drop(sqlx::query(text).execute(write).await.unwrap()),
            Store::Postgres(pool) => drop(sqlx::query(text).execute(pool).await.unwrap()),
        }
    }

    /// The file of a SQLite database.
    pub(crate) fn database_file(&self) -> PathBuf {
        self.dir.path().join("homeserver.db")
    }

    /// The bytes of the database's files, or of its rows as text with binary columns in hexadecimal.
    pub(crate) async fn at_rest(&self) -> Vec<u8> {
        let Store::Postgres(pool) = &self.app.store else {
            let files = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
            let database = files.filter(|path| path.to_string_lossy().contains("homeserver.db"));
            return database.flat_map(|path| std::fs::read(path).unwrap()).collect();
        };
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT relname::text FROM pg_stat_user_tables").fetch_all(pool).await.unwrap();
        let mut bytes = Vec::new();
        for table in tables {
            let rows = AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM {table} t"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(pool).await.unwrap();
            bytes.extend(rows.concat().into_bytes());
        }
        bytes
    }

    /// How many rows of a table are of that id.
    pub(crate) async fn count_rows(&self, table: &str, column: &str, id: Uuid) -> i64 {
        let text = AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {column} = $1"));
        match &self.app.store {
            Store::Sqlite { read, .. } => sqlx::query_scalar(text).bind(id).fetch_one(read).await.unwrap(),
            Store::Postgres(pool) => sqlx::query_scalar(text).bind(id).fetch_one(pool).await.unwrap(),
        }
    }

    /// The server's time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks without a token.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, &[], Vec::new()).await.into_pair()
    }

    /// Posts without a token.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &[], body.to_string().into_bytes()).await.into_pair()
    }

    /// Sends any request. A body is sent as JSON.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        Reply::of(&self.client, &self.url, method, path, headers, body).await
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.server.app.shutdown.cancel();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.app.shutdown.cancel();
    }
}

fn config(name: &str, listen: &str, database: &Database, dir: &TempDir, settings: Settings<'_>) -> Config {
    let set = LIMITS.iter().chain(settings).map(ToString::to_string).collect();
    let flags = Flags {
        server_name: Some(name.into()),
        listen: Some(listen.parse().unwrap()),
        database_url: Some(database.url.clone().into()),
        data_dir: Some(dir.path().into()),
        set,
        ..Flags::default()
    };
    Config::load_from(flags, Vec::<(OsString, OsString)>::new()).unwrap()
}
