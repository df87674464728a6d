//! The demonstration's homeserver.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{program, write_secret};
use crate::{
    guard::{Guard, Guarded},
    postgres::free_port,
    shell, workspace,
};

/// Where `homeserver` listens when nobody says otherwise.
const USUAL_PORT: u16 = 8080;
/// The file with the URL of the database, which has a password in it.
const DATABASE_URL: &str = "database_url";
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A running homeserver with its own folder, which was empty when it started.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    with_postgres: bool,
    process: Guarded,
}

impl Server {
    /// Starts it on its usual port, or on a free one, and waits until it is ready.
    pub(crate) fn start(database_url: Option<&str>) -> Result<Self> {
        let port = port()?;
        let folder = workspace::target().join(format!("demo/{port}"));
        make_anew(&folder)?;
        if let Some(url) = database_url {
            write_secret(&folder.join(DATABASE_URL), url)?;
        }
        let with_postgres = database_url.is_some();
        let command = command("homeserver", port, &folder, with_postgres);
        println!("$ {}", shell::line(&command));
        let log = File::create(folder.join("homeserver.log")).context("creating its log")?;
        let process = Guard::new("TERM").log(log).start(&command)?;
        let mut server = Self { folder, port, with_postgres, process };
        server.wait_ready().with_context(|| {
            let log = fs::read_to_string(server.log()).unwrap_or_default();
            format!("the homeserver did not start:\n{log}")
        })?;
        println!("It is ready at {}", server.url());
        Ok(server)
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The part of its users' addresses after the `@`.
    pub(crate) fn name(&self) -> String {
        server_name(self.port)
    }

    /// Where everything of this demonstration is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its own part of that: the embedded database, keys.
    pub(crate) fn data(&self) -> PathBuf {
        data(&self.folder)
    }

    /// What it says about itself.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("homeserver.log")
    }

    /// The admin's question how it is.
    pub(crate) fn health_command(&self) -> Command {
        let mut command = command("missivectl", self.port, &self.folder, self.with_postgres);
        command.arg("health");
        command
    }

    /// Waits for somebody to end it, which by Ctrl-C ends this program too.
    pub(crate) fn wait(self) -> Result<()> {
        let status = self.process.wait()?;
        ensure!(status.success(), "the homeserver ended ({status})");
        Ok(())
    }

    /// Ends it as an operator would, with SIGTERM.
    pub(crate) fn stop(self) -> Result<()> {
        let status = self.process.stop()?;
        ensure!(status.success(), "the homeserver did not end cleanly ({status})");
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if let Some(status) = self.process.ended()? {
                bail!("it ended ({status})");
            }
            if is_ready(self.port).unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("it was not ready after {} s", START_TIMEOUT.as_secs());
    }
}

fn port() -> Result<u16> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)) {
        Ok(_) => Ok(USUAL_PORT),
        Err(_) => free_port(),
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("homeserver")
}

fn server_name(port: u16) -> String {
    format!("localhost:{port}")
}

fn make_anew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

/// A program that works on the homeserver's data, whatever the caller's own settings are.
fn command(name: &str, port: u16, folder: &Path, with_postgres: bool) -> Command {
    let mut command = Command::new(program(name));
    workspace::forget_settings(&mut command);
    command.args(["--server-name", &server_name(port), "--listen", &format!("127.0.0.1:{port}")]);
    command.arg("--data-dir").arg(data(folder));
    if with_postgres {
        command.env("MISSIVE_DATABASE_URL_FILE", folder.join(DATABASE_URL));
    }
    command
}

fn is_ready(port: u16) -> Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
