//! A homeserver's data, with the server running on it or not, and the binary run on the same data.

#[path = "../../../homeserver/tests/common/database.rs"]
#[allow(dead_code)] // its own tests ask more of it
mod database;
mod socket;

use std::{ffi::OsString, path::Path, process::Stdio};

use homeserver::{
    clock::Clock,
    config::{Config, Flags},
    server::Server,
    store::Store,
};
use missive_wire::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) use database::Database;
pub(crate) use socket::Socket;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A homeserver's data, and the server while it runs.
pub(crate) struct Home {
    pub(crate) server: Option<Server>,
    pub(crate) clock: Clock,
    /// Where the server listens, or did.
    pub(crate) listen: String,
    client: reqwest::Client,
    // Dropped in this order.
    database: Database,
    dir: TempDir,
}

/// Someone who is logged in.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) token: String,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Nothing yet, on SQLite and on PostgreSQL.
pub(crate) async fn both_new() -> Vec<Home> {
    let mut homes = vec![Home::on_sqlite()];
    if let Some(database) = Database::postgres().await {
        homes.push(Home::new(database, tempfile::tempdir().unwrap()));
    }
    homes
}

/// A running homeserver, on SQLite and on PostgreSQL.
pub(crate) async fn both_running() -> Vec<Home> {
    let mut homes = both_new().await;
    for home in &mut homes {
        home.start().await;
    }
    homes
}

/// Runs the binary with nothing of this process's environment.
pub(crate) async fn missivectl(args: &[&str], variables: &[(&str, &str)]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_missivectl"));
    command.args(args).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    Done {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Home {
    pub(crate) fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::new(Database::sqlite(dir.path()), dir)
    }

    fn new(database: Database, dir: TempDir) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let clock = Clock::turned(Clock::default().now());
        // Nothing listens on port 1.
        Self { server: None, clock, listen: "127.0.0.1:1".into(), client, database, dir }
    }

    /// The next server's clock stands there until it is turned.
    pub(crate) fn begin_at(&mut self, at: Timestamp) {
        self.clock = Clock::turned(at);
    }

    pub(crate) async fn start(&mut self) {
        let server = self.try_start(true).await.unwrap();
        self.listen = server.address.to_string();
        self.server = Some(server);
    }

    /// A server on this data, or why there is none.
    pub(crate) async fn try_start(&self, migrates: bool) -> Result<Server, String> {
        let flags = Flags {
            server_name: Some("one.example".into()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            database_url: Some(self.database.url.clone().into()),
            data_dir: Some(self.dir.path().into()),
            database_auto_migrate: Some(migrates),
            ..Flags::default()
        };
        let config = Config::load_from(flags, Vec::<(OsString, OsString)>::new()).unwrap();
        Server::start(config, self.clock.clone()).await.map_err(|error| format!("{error:#}"))
    }

    /// As if a newer version had migrated the database.
    pub(crate) async fn migrate_beyond(&self, version: i64) {
        const INSERT: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT $1, 'newer', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        match Store::connect(&self.database.url.parse().unwrap()).await.unwrap() {
            Store::Sqlite { write, .. } => drop(sqlx::query(INSERT).bind(version).execute(&write).await.unwrap()),
            Store::Postgres(pool) => drop(sqlx::query(INSERT).bind(version).execute(&pool).await.unwrap()),
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.database.is_postgres()
    }

    /// Runs the binary with this home's settings.
    pub(crate) async fn ctl(&self, args: &[&str]) -> Done {
        let variables = [
            ("MISSIVE_SERVER_NAME", "one.example"),
            ("MISSIVE_DATABASE_URL", &self.database.url),
            ("MISSIVE_DATA_DIR", self.dir.path().to_str().unwrap()),
            ("MISSIVE_LISTEN", &self.listen),
        ];
        missivectl(args, &variables).await
    }

    /// Runs it with `--json`, and reads its one document.
    pub(crate) async fn ctl_json(&self, args: &[&str]) -> Value {
        let done = self.ctl(&[args, &["--json"]].concat()).await;
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{args:?}");
        done.document()
    }

    pub(crate) async fn register(&self, name: &str) -> Person {
        self.enter("users", name).await.unwrap()
    }

    /// Logs in; the error is the status and code of the refusal.
    pub(crate) async fn log_in(&self, name: &str) -> Result<Person, (StatusCode, String)> {
        self.enter("tokens", name).await
    }

    async fn enter(&self, route: &str, name: &str) -> Result<Person, (StatusCode, String)> {
        let url = format!("http://{}/api/v1/{route}", self.listen);
        let reply = self.client.post(url).json(&json!({ "name": name, "password": PASSWORD })).send().await.unwrap();
        let status = reply.status();
        let body: Value = reply.json().await.unwrap();
        if status != StatusCode::CREATED {
            return Err((status, body["code"].as_str().unwrap().to_owned()));
        }
        let text = |member: &str| body["data"][member].as_str().unwrap().to_owned();
        Ok(Person { id: text("id"), name: text("name"), token: text("accessToken") })
    }

    /// What the server says to someone who asks for the own account.
    pub(crate) async fn own_account(&self, person: &Person) -> StatusCode {
        let url = format!("http://{}/api/v1/users/{}", self.listen, person.id);
        self.client.get(url).bearer_auth(&person.token).send().await.unwrap().status()
    }

    /// A message from one to the other waits in the store.
    pub(crate) async fn leave_message(&self, sender: &Person, receiver: &Person) {
        let mut socket = Socket::open(self, sender).await;
        let id = self.clock.new_id();
        socket.send(&json!({ "id": id, "receiver": receiver.name, "kind": "message", "content": "aGk=" })).await;
        let status = socket.next_with("state").await;
        assert_eq!(status["state"], "sent", "{status}");
    }
}

impl Done {
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// The error of `--json`: alone on standard error, with a sentence and this code.
    pub(crate) fn assert_error(&self, exit: i32, code: &str) {
        let error: Value = serde_json::from_str(&self.err).unwrap_or_else(|_| panic!("{self:?}"));
        assert_eq!((self.code, &error["code"]), (exit, &json!(code)), "{self:?}");
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        assert_eq!(error.as_object().unwrap().len(), 2, "{self:?}");
    }
}
