//! A private PostgreSQL in a temporary folder, gone when it is dropped or this process ends.

use std::{
    fs::{self, DirBuilder, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{DirBuilderExt, chown},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    guard::{Guard, Guarded},
    random,
    system::{self, User},
};

/// The variable in which tests find the URL; each creates its own database there.
pub(crate) const URL_VARIABLE: &str = "MISSIVE_TEST_POSTGRES_URL";

const SCRIPT: &str = include_str!("postgres.sh");
const ATTEMPTS: u32 = 3;
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// What the tests' data are: they need not survive a crash of the machine, so nothing is flushed to the disk.
const NOT_DURABLE: [&str; 4] = ["-c", "fsync=off", "-c", "full_page_writes=off"];

/// A running server.
pub(crate) struct Postgres {
    url: String,
    process: Guarded,
}

impl Postgres {
    /// Makes a cluster and starts it on a free port, for tests.
    pub(crate) fn start() -> Result<Self> {
        Self::start_for(None)
    }

    /// The same for a benchmark: on one core, and a commit is on the disk.
    pub(crate) fn start_durable(core: usize) -> Result<Self> {
        Self::start_for(Some(core))
    }

    fn start_for(bench_core: Option<usize>) -> Result<Self> {
        let bin = system::postgres_bin().context("no PostgreSQL server found; `cargo xtask test` installs one")?;
        for _ in 1..ATTEMPTS {
            // Somebody may take the port between our look and PostgreSQL's.
            match Self::start_on(&bin, free_port()?, bench_core) {
                Ok(server) => return Ok(server),
                Err(error) => eprintln!("{error:#}\ntrying again on another port"),
            }
        }
        Self::start_on(&bin, free_port()?, bench_core)
    }

    /// The URL of its `postgres` database, with superuser rights.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Makes an empty database, and gives its URL.
    pub(crate) fn create_database(&self, name: &str) -> Result<String> {
        let psql = system::postgres_bin().context("no PostgreSQL found")?.join("psql");
        let statement = format!("CREATE DATABASE {name}");
        let made = Command::new(psql).args([&self.url, "-qc", &statement]).status().context("starting psql")?;
        ensure!(made.success(), "the database {name} could not be made ({made})");
        let server = self.url.strip_suffix("postgres").unwrap_or(&self.url);
        Ok(format!("{server}{name}"))
    }

    fn start_on(bin: &Path, port: u16, bench_core: Option<usize>) -> Result<Self> {
        let user = user()?;
        let password = random::hex(16)?;
        let folder = make_folder(&password, user.as_ref())?;
        let log = folder.join("log");
        let guard = Guard::new("INT").remove(folder.clone()).log(File::create(&log)?);
        let mut process = guard.start(&command(bin, &folder, port, user.as_ref(), bench_core))?;
        wait_ready(&mut process, &folder).with_context(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            format!("PostgreSQL did not start:\n{log}")
        })?;
        Ok(Self { url: format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"), process })
    }
}

/// `cargo xtask postgres`: starts the server and leaves it running until Ctrl-C.
pub(crate) fn serve() -> Result<()> {
    let server = Postgres::start()?;
    println!("PostgreSQL is running; Ctrl-C ends it and removes its data. For the tests, in another terminal:");
    println!("export {URL_VARIABLE}={}", server.url());
    let status = server.process.wait()?;
    bail!("PostgreSQL ended by itself ({status})");
}

/// A free port of the loopback interface, at least a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// The user that runs PostgreSQL in place of root, whom it refuses.
fn user() -> Result<Option<User>> {
    if !system::is_root()? {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].iter().find_map(|name| User::named(name));
    user.map(Some).context("neither `postgres` nor `nobody` is a user of this machine; root cannot run PostgreSQL")
}

/// In /tmp, since the path of a socket must be short, and since `TMPDIR` may be root's alone.
fn make_folder(password: &str, user: Option<&User>) -> Result<PathBuf> {
    let folder = PathBuf::from(format!("/tmp/missive-postgres-{}", random::hex(6)?));
    DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let secret = folder.join("password");
    fs::write(&secret, password)?;
    if let Some(user) = user {
        chown(&secret, Some(user.uid), Some(user.gid))?;
        chown(&folder, Some(user.uid), Some(user.gid))?;
    }
    Ok(folder)
}

fn command(bin: &Path, folder: &Path, port: u16, user: Option<&User>, bench_core: Option<usize>) -> Command {
    let mut command = Command::new(if bench_core.is_some() { "taskset" } else { "setpriv" });
    if let Some(core) = bench_core {
        command.args(["--cpu-list", &core.to_string(), "setpriv"]);
    }
    if let Some(User { uid, gid }) = user {
        command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
    }
    // The guard has set this too, but a change of the user clears it.
    command.args(["--pdeathsig", "INT", "/bin/sh", "-c", SCRIPT, "postgres"]);
    command.arg(bin).arg(folder).arg(port.to_string());
    if bench_core.is_none() {
        command.args(NOT_DURABLE);
    }
    command.current_dir(folder).env("LC_ALL", "C");
    command
}

/// PostgreSQL writes its state in line 8 of its pid file, where `pg_ctl` reads it too.
fn wait_ready(process: &mut Guarded, folder: &Path) -> Result<()> {
    let pid_file = folder.join("data/postmaster.pid");
    let start = Instant::now();
    while start.elapsed() < START_TIMEOUT {
        if is_ready(&fs::read_to_string(&pid_file).unwrap_or_default()) {
            return Ok(());
        }
        if let Some(status) = process.ended()? {
            bail!("it ended ({status})");
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("it was not ready after {} s", START_TIMEOUT.as_secs());
}

fn is_ready(pid_file: &str) -> bool {
    pid_file.lines().nth(7).is_some_and(|state| state.trim_end() == "ready")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::{Postgres, is_ready};
    use crate::system;

    #[test]
    fn the_eighth_line_of_the_pid_file_tells() {
        let before = "123\n/tmp/data\n1700000000\n5433\n/tmp\n127.0.0.1\n  1 2\n";
        assert!(!is_ready(""));
        assert!(!is_ready(before));
        assert!(!is_ready(&format!("{before}starting\n")));
        assert!(is_ready(&format!("{before}ready   \n")));
    }

    #[test]
    fn starts_answers_and_leaves_nothing() {
        let server = Postgres::start().unwrap();
        let psql = system::postgres_bin().unwrap().join("psql");
        let query = "select current_setting('data_directory'), current_setting('max_connections')";
        let answer = Command::new(psql).args([server.url(), "-Atc", query]).output().unwrap();
        let answer = String::from_utf8(answer.stdout).unwrap();
        let (data, connections) = answer.trim_end().split_once('|').unwrap();
        assert_eq!(connections, "300");
        let folder = std::path::Path::new(data).parent().unwrap().to_owned();
        assert!(folder.exists());
        drop(server);
        assert!(!folder.exists());
    }

    #[test]
    fn a_benchmark_gets_one_whose_commits_reach_the_disk() {
        let server = Postgres::start_durable(0).unwrap();
        let psql = system::postgres_bin().unwrap().join("psql");
        let query = "select current_setting('fsync'), current_setting('full_page_writes')";
        let answer = Command::new(psql).args([server.url(), "-Atc", query]).output().unwrap();
        assert_eq!(String::from_utf8(answer.stdout).unwrap().trim_end(), "on|on");
    }
}
