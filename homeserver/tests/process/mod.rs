//! Real processes: a homeserver on either database, and people who speak its raw frames.
#![allow(dead_code, unused_imports)] // each test binary uses its part

pub mod authority;
pub mod database;
pub mod pair;
pub mod person;
pub mod terminal;
pub mod way;

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub use authority::Authority;
pub use database::{Database, Kind};
pub use pair::{Pair, Transport};
pub use person::{Person, Socket};
use rustix::process::{Pid, Signal, kill_process};
pub use terminal::{Listener, User};
pub use way::Way;

/// The name of a homeserver, if nothing else is said.
pub const SERVER_NAME: &str = "one.example";

/// Where a homeserver listens, if nothing else is said.
const ANY_PORT: &str = "127.0.0.1:0";

/// What a homeserver is called, where it listens, and who signed its certificate, if it serves HTTPS.
#[derive(Clone)]
pub struct Seat {
    pub name: String,
    pub listen: String,
    pub authority: Option<Authority>,
}

/// A homeserver process; killed when dropped.
pub struct Homeserver {
    pub database: Database,
    pub url: String,
    pub directory: tempfile::TempDir,
    pub seat: Seat,
    pub address: SocketAddr,
    process: Child,
    settings: Vec<String>,
}

impl Homeserver {
    /// Starts a homeserver on a database of its own; `None` where PostgreSQL is left out.
    pub async fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, &[]).await
    }

    /// As [`Homeserver::start`], with settings (`key=value`).
    pub async fn start_with(kind: Kind, settings: &[&str]) -> Option<Self> {
        Self::start_at(kind, Seat::default(), settings.iter().map(ToString::to_string).collect()).await
    }

    /// As [`Homeserver::start_with`], in a seat of its own.
    pub async fn start_at(kind: Kind, seat: Seat, settings: Vec<String>) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::create(kind, directory.path()).await?;
        Some(Self::spawned(directory, database, seat, settings))
    }

    fn spawned(directory: tempfile::TempDir, database: Database, seat: Seat, settings: Vec<String>) -> Self {
        let (process, address) = spawn(directory.path(), &database, &seat, &settings);
        Self { url: seat.url(address), database, directory, seat, address, process, settings }
    }

    /// Another homeserver on the same database, with the same master key and settings.
    pub fn replica(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(self.directory.path().join("master.key"), directory.path().join("master.key")).unwrap();
        let database = Database { kind: self.database.kind, url: self.database.url.clone() };
        Self::spawned(directory, database, self.seat.clone(), self.settings.clone())
    }

    /// The log of every start so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(self.directory.path())).unwrap()
    }

    /// Every file of the data directory.
    pub fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Ends it as an admin would: SIGTERM; it must exit with success.
    pub fn stop(&mut self) {
        signal(&self.process, Signal::TERM);
        let status = wait(&mut self.process, Duration::from_secs(30));
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Ends it as a power cut would: SIGKILL, with no word of warning.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Suspends it, as a laptop that is closed: SIGSTOP.
    pub fn suspend(&self) {
        signal(&self.process, Signal::STOP);
    }

    /// Lets it go on after [`Homeserver::suspend`].
    pub fn resume(&self) {
        signal(&self.process, Signal::CONT);
    }

    /// Starts it again after [`Homeserver::stop`] or [`Homeserver::kill`], on whatever port is free if it has none of its
    /// own.
    pub fn restart(&mut self) {
        self.restart_at(&self.seat.clone());
    }

    /// As [`Homeserver::restart`], on the port that it had: for clients that come back by themselves.
    pub fn restart_there(&mut self) {
        self.restart_at(&Seat { listen: self.address.to_string(), ..self.seat.clone() });
    }

    fn restart_at(&mut self, seat: &Seat) {
        (self.process, self.address) = spawn(self.directory.path(), &self.database, seat, &self.settings);
        self.url = seat.url(self.address);
    }

    /// The WebSocket's URL.
    pub fn socket_url(&self) -> String {
        self.url.replacen("http", "ws", 1)
    }
}

impl Default for Seat {
    fn default() -> Self {
        Self { name: SERVER_NAME.into(), listen: ANY_PORT.into(), authority: None }
    }
}

impl Seat {
    fn url(&self, address: SocketAddr) -> String {
        let host = self.name.split(':').next().unwrap();
        match self.authority {
            Some(_) => format!("https://{host}:{}", address.port()),
            None => format!("http://{address}"),
        }
    }
}

impl Drop for Homeserver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the homeserver's log ---\n{}", self.log());
        }
    }
}

/// Arguments that make a command work on that homeserver's data.
pub fn data_arguments(directory: &Path, database: &Database) -> Vec<String> {
    arguments_as(SERVER_NAME, directory, database)
}

/// As [`data_arguments`], for a homeserver of that name.
pub fn arguments_as(name: &str, directory: &Path, database: &Database) -> Vec<String> {
    [
        ["--data-dir".into(), directory.display().to_string()],
        ["--database-url".into(), database.url.clone()],
        ["--server-name".into(), name.into()],
    ]
    .concat()
}

fn spawn(directory: &Path, database: &Database, seat: &Seat, settings: &[String]) -> (Child, SocketAddr) {
    let log = File::options().create(true).append(true).open(log_path(directory)).unwrap();
    let before = fs::metadata(log_path(directory)).unwrap().len();
    let mut process = Command::new(env!("CARGO_BIN_EXE_homeserver"))
        .args(arguments_as(&seat.name, directory, database))
        .args(["--listen", &seat.listen, "--set", "log.format=json", "--set", "limits.requests_per_second=100000"])
        .args(["--set", "limits.registrations_per_hour=100000", "--set", "limits.logins_per_minute=100000"])
        .args(["--set", "log.level=debug,sqlx=warn"])
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let text = fs::read_to_string(log_path(directory)).unwrap();
        let new = &text[usize::try_from(before).unwrap()..];
        let lines = new.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        if let Some(line) = lines.into_iter().find(|line| line["message"] == "serving") {
            return (process, line["address"].as_str().unwrap().parse().unwrap());
        }
        if let Some(status) = process.try_wait().unwrap() {
            panic!("the homeserver ended with {status}:\n{new}");
        }
        assert!(Instant::now() < until, "the homeserver does not serve:\n{new}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

fn wait(process: &mut Child, patience: Duration) -> std::process::ExitStatus {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "the process does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("homeserver.log")
}

/// Makes a test of each function on both databases.
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::process::Kind::Sqlite).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::process::Kind::Postgres).await;
            })*
        }
    };
}
