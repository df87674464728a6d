//! The measured processes: a homeserver, or the bare relay.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{affinity::Cores, cli::RunOptions, process};

/// The name of the measured homeserver.
pub const SERVER_NAME: &str = "bench.example";

/// How long a process may take to answer, or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// No quota stops a backlog, and no rate limit a load.
const SETTINGS: [&str; 4] = [
    "limits.enabled=false",
    "limits.pending_messages=1000000000",
    "limits.pending_bytes=1000000000000",
    "limits.password_queue=10000",
];

/// A homeserver's name, and where it listens.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How to start a homeserver.
pub struct Homeserver {
    program: PathBuf,
    directory: PathBuf,
    database_url: String,
    /// Itself, and another to which it forwards.
    federation: Option<(Site, Site)>,
}

/// A process that answers; killed when dropped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its first answer.
    pub first_answer: Duration,
    child: Child,
}

impl Homeserver {
    /// A homeserver with its data in that directory.
    pub fn new(options: &RunOptions, directory: &Path, database_url: Option<String>) -> Result<Self> {
        let program = match &options.server {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("homeserver"),
        };
        if !program.is_file() {
            let path = program.display();
            bail!("{path} is not there: build it (cargo build --release -p homeserver) or name one with --server");
        }
        let database_url =
            database_url.unwrap_or_else(|| format!("sqlite://{}", directory.join("homeserver.db").display()));
        Ok(Self { program, directory: directory.to_owned(), database_url, federation: None })
    }

    /// The same with another name, forwarding messages for `peer`'s users to it.
    pub fn beside(self, own: Site, peer: Site) -> Self {
        Self { federation: Some((own, peer)), ..self }
    }

    /// Starts it on the server's core.
    pub fn start(&self, cores: &Cores) -> Result<Running> {
        let address = self.address()?;
        Running::start(address, &mut self.command(address)?, |command| cores.start_pinned(command))
    }

    /// Starts it on every core, for what is not measured.
    pub fn start_anywhere(&self, cores: &Cores) -> Result<Running> {
        let address = self.address()?;
        Running::start(address, &mut self.command(address)?, |command| cores.start_anywhere(command))
    }

    fn address(&self) -> Result<SocketAddr> {
        self.federation.map_or_else(free_address, |(own, _)| Ok(own.address))
    }

    fn command(&self, address: SocketAddr) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.directory.join("homeserver.log"))?;
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MISSIVE_")) {
            command.env_remove(name);
        }
        command.arg("--data-dir").arg(self.directory.join("data"));
        let name = self.federation.map_or(SERVER_NAME, |(own, _)| own.name);
        command.args(["--database-url", &self.database_url, "--server-name", name]);
        command.args(["--listen", &address.to_string()]).args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
        if let Some((_, peer)) = self.federation {
            let resolve = format!("federation.resolve={}=http://{}", peer.name, peer.address);
            command.args(["--set", "federation.enabled=true", "--set", &resolve]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(command)
    }
}

/// Starts this program's own relay on the server's core.
pub fn start_relay(cores: &Cores) -> Result<Running> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["relay", "--listen", &address.to_string()]).stdin(Stdio::null());
    Running::start(address, &mut command, |command| cores.start_pinned(command))
}

impl Running {
    fn start(
        address: SocketAddr,
        command: &mut Command,
        spawn: impl FnOnce(&mut Command) -> Result<Child>,
    ) -> Result<Self> {
        let start = Instant::now();
        let child = spawn(command)?;
        let mut running = Self { address, first_answer: Duration::ZERO, child };
        while !is_live(address) {
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended by itself ({status})", command.get_program().display());
            }
            if start.elapsed() > PATIENCE {
                bail!("{} does not answer", command.get_program().display());
            }
            thread::sleep(Duration::from_micros(200));
        }
        running.first_answer = start.elapsed();
        Ok(running)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its bytes in memory now.
    pub fn resident_bytes(&self) -> Result<u64> {
        process::resident_bytes(self.pid())
    }

    /// Ends it with SIGTERM, as an admin would.
    pub fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("the server does not end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free address of the loopback interface, at least a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?)
}

/// Whether `/health/live` is answered.
fn is_live(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        std::io::Result::Ok(head == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
