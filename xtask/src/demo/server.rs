//! A homeserver of the demonstration.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{program, write_secret};
use crate::{
    guard::{Guard, Guarded},
    shell, workspace,
};

/// The file with the URL of the database, which has a password in it.
const DATABASE_URL: &str = "database_url";
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A homeserver's name, and its port on this machine.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    /// The part of its users' addresses after the `@`.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) port: u16,
}

/// A homeserver with its own folder, which was empty when it first started.
pub(crate) struct Server {
    site: Site,
    peer: Site,
    folder: PathBuf,
    with_postgres: bool,
    /// `None` while it is down.
    process: Option<Guarded>,
}

impl Server {
    /// Starts it in a folder of its name, and waits until it is ready. It finds `peer` on this machine, since DNS does
    /// not know the name.
    pub(crate) fn start(site: Site, peer: Site, folder: &Path, database_url: Option<&str>) -> Result<Self> {
        let folder = folder.join(site.name);
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        if let Some(url) = database_url {
            write_secret(&folder.join(DATABASE_URL), url)?;
        }
        let mut server = Self { site, peer, folder, with_postgres: database_url.is_some(), process: None };
        server.restart()?;
        Ok(server)
    }

    /// Starts it, where it is down, and waits until it is ready.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let command = self.command("homeserver");
        println!("$ {}", shell::line(&command));
        let log = File::options().create(true).append(true).open(self.log()).context("opening its log")?;
        self.process = Some(Guard::new("TERM").log(log).start(&command)?);
        self.wait_ready().with_context(|| {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            format!("the homeserver {} did not start:\n{log}", self.name())
        })?;
        println!("{} is ready at {}", self.name(), self.url());
        Ok(())
    }

    /// Ends it as an operator would, with SIGTERM.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let status = process.stop()?;
        ensure!(status.success(), "the homeserver {} did not end cleanly ({status})", self.name());
        Ok(())
    }

    /// How it ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Guarded::ended)
    }

    /// The part of its users' addresses after the `@`.
    pub(crate) fn name(&self) -> &'static str {
        self.site.name
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        url(self.site)
    }

    /// Where the embedded database and the keys are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What it says about itself.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("homeserver.log")
    }

    /// A command of its admin.
    pub(crate) fn admin_command(&self, words: &[&str]) -> Command {
        let mut command = self.command("missivectl");
        command.args(words);
        command
    }

    /// A program that works on the homeserver's data, whatever the caller's own settings are.
    fn command(&self, name: &str) -> Command {
        let Self { site, peer, .. } = self;
        let mut command = Command::new(program(name));
        workspace::forget_settings(&mut command);
        command.args(["--server-name", site.name, "--listen", &format!("127.0.0.1:{}", site.port)]);
        command.arg("--data-dir").arg(self.data());
        command.args(["--set", "federation.enabled=true"]);
        command.args(["--set", &format!("federation.resolve={}={}", peer.name, url(*peer))]);
        if self.with_postgres {
            command.env("MISSIVE_DATABASE_URL_FILE", self.folder.join(DATABASE_URL));
        }
        command
    }

    fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if let Some(status) = self.ended()? {
                bail!("it ended ({status})");
            }
            if is_ready(self.site).unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("it was not ready after {} s", START_TIMEOUT.as_secs());
    }
}

fn url(site: Site) -> String {
    format!("http://127.0.0.1:{}", site.port)
}

fn is_ready(site: Site) -> Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, site.port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", site.name)?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
