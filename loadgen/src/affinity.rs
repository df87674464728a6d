//! Which core works for whom: the server and its database on one, this program on the other.

use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::cli::RunOptions;

/// The cores of this run.
pub struct Cores {
    all: CpuSet,
    server: CpuSet,
    client: CpuSet,
}

impl Cores {
    /// Pins this thread, and so the threads it starts, to the client's core.
    pub fn claim(options: &RunOptions) -> Result<Self> {
        let all = sched_getaffinity(None).context("asking which cores there are")?;
        if options.unpinned {
            return Ok(Self { all, server: all, client: all });
        }
        let (server, client) = (options.server_core, options.client_core);
        if server == client {
            bail!("the server and this program need a core each, not both core {server} (--unpinned pins nothing)");
        }
        let cores = Self { all, server: one(&all, server)?, client: one(&all, client)? };
        pin(&cores.client)?;
        Ok(cores)
    }

    /// Starts a process on the server's core.
    pub fn start_pinned(&self, command: &mut Command) -> Result<Child> {
        self.start_on(&self.server, command)
    }

    /// Starts a process on every core, for work that is not measured.
    pub fn start_anywhere(&self, command: &mut Command) -> Result<Child> {
        self.start_on(&self.all, command)
    }

    /// Works on the server's core, in a thread of its own.
    pub fn on_server_core<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let cores = self.server;
        let thread = std::thread::spawn(move || pin(&cores).map(|()| work()));
        thread.join().map_err(|_| anyhow::anyhow!("a thread on the server's core failed"))?
    }

    /// A child runs where the thread ran that started it.
    fn start_on(&self, cores: &CpuSet, command: &mut Command) -> Result<Child> {
        pin(cores)?;
        let started = command.spawn();
        pin(&self.client)?;
        started.with_context(|| format!("starting {}", command.get_program().display()))
    }
}

fn one(all: &CpuSet, core: usize) -> Result<CpuSet> {
    if core >= CpuSet::MAX_CPU || !all.is_set(core) {
        bail!("core {core} is not there for this program: choose with --server-core and --client-core, or --unpinned");
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(set)
}

fn pin(cores: &CpuSet) -> Result<()> {
    sched_setaffinity(None, cores).context("choosing the core")
}
