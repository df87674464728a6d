//! `cargo xtask bench`: the load generator against a release build, on both databases.

use std::{fs, process::Command};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{
    postgres::Postgres,
    setup,
    steps::{self, Steps},
    system, workspace,
};

/// The core of the homeserver and its database; the load generator takes another.
const SERVER_CORE: usize = 0;

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Measure on this database only
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// Arguments for `loadgen run`, like --only w1,w2 or --repeat 5
    #[arg(last = true, value_name = "ARGS")]
    loadgen_args: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// Builds, measures, and leaves the figures as JSON beside the build.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let outcome = all(options, &mut steps);
    steps.summary();
    outcome
}

fn all(options: &Options, steps: &mut Steps) -> Result<()> {
    let wants = |database| options.database.is_none_or(|only| only == database);
    steps.step("setup: protoc", setup::run)?;
    steps.step("build", || {
        steps::run(workspace::cargo().args("build --release --locked -p homeserver -p loadgen".split(' ')))
    })?;
    if wants(Database::Sqlite) {
        steps.step("measure on SQLite", || measure(&options.loadgen_args, None))?;
    }
    if wants(Database::Postgres) {
        let postgres = steps.step("start PostgreSQL, with fsync", || {
            system::install_missing()?;
            Postgres::start_durable(SERVER_CORE)
        })?;
        steps.step("measure on PostgreSQL", || measure(&options.loadgen_args, Some(&postgres)))?;
    }
    Ok(())
}

fn measure(more: &[String], postgres: Option<&Postgres>) -> Result<()> {
    let figures = workspace::target().join("bench");
    fs::create_dir_all(&figures)?;
    let name = if postgres.is_some() { "postgres" } else { "sqlite" };
    let mut loadgen = Command::new(workspace::target().join("release/loadgen"));
    loadgen.args(["run", "--database", name, "--server-core", &SERVER_CORE.to_string(), "--json"]);
    loadgen.arg(figures.join(format!("{name}.json"))).args(more);
    if let Some(postgres) = postgres {
        loadgen.env("LOADGEN_POSTGRES_URL", postgres.url());
    }
    steps::run(&loadgen)
}
