//! The workloads, and what they share: a homeserver with accounts.

mod federation;
mod idle;
mod keys;
mod logins;
mod relay;
mod start;
mod store;

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::task::{JoinSet, LocalSet};

use crate::{
    account::Account,
    affinity::Cores,
    cli::{Database, RunOptions, Workload},
    drive::{Pair, Side},
    figures::{Value, merge},
    http::Http,
    machine::{self, Machine},
    postgres::Postgres,
    process,
    report::{Report, Section},
    server::{Homeserver, Running, SERVER_NAME},
};

/// Connections that register accounts.
const REGISTRARS: usize = 4;

/// The pairs of DESIGN's W1, before the scale.
const PAIRS: u32 = 50;

/// A homeserver to be measured.
pub struct Bench<'a> {
    options: &'a RunOptions,
    cores: &'a Cores,
    folder: &'a Path,
    server: Homeserver,
    running: Option<Running>,
    first_start: Duration,
    postgres: Option<u32>,
    accounts: Vec<Account>,
}

/// Runs the workloads that are wanted.
pub fn run(options: &RunOptions) -> Result<Report<'_>> {
    let cores = Cores::claim(options)?;
    machine::raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    LocalSet::new().block_on(&runtime, prepared(options, &cores))
}

async fn prepared<'a>(options: &'a RunOptions, cores: &Cores) -> Result<Report<'a>> {
    let folder = match &options.directory {
        Some(parent) => TempDir::with_prefix_in("missive-bench-", parent),
        None => TempDir::with_prefix("missive-bench-"),
    };
    let folder = folder.context("making a folder for the data")?;
    let postgres = match (options.database, &options.postgres_url) {
        (Database::Postgres, Some(url)) => Some(Postgres::create(url).await?),
        _ => None,
    };
    let outcome = measured(options, cores, folder.path(), postgres.as_ref()).await;
    let outcome = outcome.with_context(|| format!("the homeserver's log ends:\n{}", log_end(folder.path())));
    if let Some(postgres) = postgres {
        postgres.remove().await?;
    }
    outcome
}

async fn measured<'a>(
    options: &'a RunOptions,
    cores: &Cores,
    folder: &Path,
    postgres: Option<&Postgres>,
) -> Result<Report<'a>> {
    let machine = Machine::here(folder);
    let warnings = warnings(options, &machine, postgres);
    let mut bench = Bench::start(options, cores, folder, postgres)?;
    let mut workloads = Vec::new();
    for workload in [Workload::W1, Workload::W2, Workload::W3, Workload::W4, Workload::W5, Workload::W6] {
        if options.wants(workload) {
            eprintln!("{workload:?} …");
            workloads.push(bench.measure(workload).await.with_context(|| format!("{workload:?}"))?);
        }
    }
    Ok(Report { machine, options, warnings, workloads })
}

fn warnings(options: &RunOptions, machine: &Machine, postgres: Option<&Postgres>) -> Vec<String> {
    let warnings = [
        (machine.debug_build, "a debug build of this program: the figures mean nothing"),
        (options.unpinned, "nothing is pinned to a core: the figures cannot be compared"),
        (machine.data_in_memory, "the data are on a file system in memory, where syncing costs nothing"),
        (postgres.is_some_and(|one| !one.fsync), "PostgreSQL runs without fsync: what it stores is not durable"),
        (postgres.is_some_and(|one| one.pid.is_none()), "PostgreSQL's processes are elsewhere and not counted"),
    ];
    warnings.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text.to_owned()).collect()
}

fn log_end(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("homeserver.log")).unwrap_or_default();
    let lines = log.lines().collect::<Vec<_>>();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

impl<'a> Bench<'a> {
    fn start(options: &'a RunOptions, cores: &'a Cores, folder: &'a Path, postgres: Option<&Postgres>) -> Result<Self> {
        let server = Homeserver::new(options, folder, postgres.map(|one| one.url.clone()))?;
        let running = server.start(cores)?;
        let first_start = running.first_answer;
        let postgres = postgres.and_then(|one| one.pid);
        Ok(Self { options, cores, folder, server, running: Some(running), first_start, postgres, accounts: Vec::new() })
    }

    async fn measure(&mut self, workload: Workload) -> Result<Section> {
        match workload {
            Workload::W1 => relay::measure(self).await,
            Workload::W2 => store::measure(self).await,
            Workload::W3 => idle::measure(self).await,
            Workload::W4 => start::measure(self).await,
            Workload::W5 => federation::measure(self).await,
            Workload::W6 => logins::measure(self).await,
        }
    }

    /// How often each figure is measured.
    fn rounds(&self) -> u32 {
        self.options.repeat.get()
    }

    /// The running homeserver.
    fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("the homeserver does not run")
    }

    /// Where it listens.
    fn address(&self) -> Result<SocketAddr> {
        Ok(self.running()?.address)
    }

    /// Starts the homeserver anew, on its core.
    fn restart(&mut self) -> Result<&Running> {
        self.stop()?;
        self.running = Some(self.server.start(self.cores)?);
        self.running()
    }

    fn stop(&mut self) -> Result<()> {
        self.running.take().map_or(Ok(()), Running::stop)
    }

    /// The processor time so far: of the homeserver, and of PostgreSQL.
    fn processor_time(&self) -> Result<(Duration, Option<Duration>)> {
        let server = process::processor_time(self.running()?.pid())?;
        Ok((server, self.postgres.map(process::family_time).transpose()?))
    }

    /// Registers accounts until there are so many.
    async fn need_accounts(&mut self, count: usize) -> Result<()> {
        let address = self.address()?;
        let names = (self.accounts.len()..count).map(|number| format!("user{number}")).collect::<Vec<_>>();
        self.accounts.extend(register(address, SERVER_NAME, names).await?);
        Ok(())
    }

    /// How many pairs talk.
    fn number_of_pairs(&self) -> usize {
        self.options.scaled(PAIRS).min(u32::from(crate::frames::PAIRS_MAX)) as usize
    }

    /// That many pairs of accounts.
    async fn pairs(&mut self) -> Result<Vec<Pair>> {
        let pairs = self.number_of_pairs();
        self.need_accounts(2 * pairs).await?;
        let address = self.address()?;
        let sides = sides(&mut self.accounts[..2 * pairs], address).await?;
        Ok(sides.chunks_exact(2).map(|two| Pair { sender: two[0].clone(), receiver: two[1].clone() }).collect())
    }
}

/// Registers accounts at a homeserver, over several connections.
async fn register(address: SocketAddr, server: &'static str, names: Vec<String>) -> Result<Vec<Account>> {
    let share = names.len().div_ceil(REGISTRARS).max(1);
    let mut tasks = JoinSet::new();
    for names in names.chunks(share).map(<[_]>::to_vec) {
        tasks.spawn_local(async move {
            let mut http = Http::connect(address).await?;
            let mut accounts = Vec::new();
            for name in names {
                accounts.push(Account::register(&mut http, server, name).await?);
            }
            Ok::<_, anyhow::Error>(accounts)
        });
    }
    let mut all = Vec::new();
    while let Some(accounts) = tasks.join_next().await {
        all.extend(accounts??);
    }
    Ok(all)
}

/// Accounts as sides of pairs, with tokens that are valid.
async fn sides(accounts: &mut [Account], server: SocketAddr) -> Result<Vec<Side>> {
    let mut sides = Vec::new();
    for account in accounts {
        let token = account.token(server).await?.to_owned();
        sides.push(Side { server, token, name: account.name.clone(), address: account.address() });
    }
    Ok(sides)
}

/// A section without a ceiling.
fn section(workload: Workload, title: impl Into<String>, rounds: Vec<Vec<Value>>) -> Section {
    Section { workload, title: title.into(), figures: merge(rounds), ceiling: Vec::new() }
}
