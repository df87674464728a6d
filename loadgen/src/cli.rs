//! The command line.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Measures a Missive homeserver: a real process, raw frames, every message checked.
///
/// Anything lost, doubled, out of order or stale is a failure, and the exit code says so.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a homeserver and measure it
    Run(Box<RunOptions>),
    /// Be the bare relay that shows the ceiling; `run` starts it by itself
    Relay(RelayOptions),
}

/// What `loadgen run` takes.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunOptions {
    /// The homeserver's database
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    pub database: Database,
    /// A PostgreSQL on which the run creates a database of its own; with its processes on this machine, their processor time counts
    #[arg(long, env = "LOADGEN_POSTGRES_URL", hide_env_values = true, required_if_eq("database", "postgres"))]
    #[serde(skip)]
    pub postgres_url: Option<String>,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',', value_name = "W1,W2,…")]
    pub only: Vec<Workload>,
    /// How often each figure is measured
    #[arg(long, default_value = "3")]
    pub repeat: NonZeroU32,
    /// How long each timed measurement lasts
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub seconds: f64,
    /// Multiplies the numbers of pairs, messages, connections and claims
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub scale: f64,
    /// W2: also store and drain so many messages, once each, to see whether the cost per message stays flat
    #[arg(long, value_delimiter = ',', value_name = "MESSAGES,…")]
    pub backlog: Vec<u32>,
    /// W3: idle connections; 10,000 times the scale if left out
    #[arg(long)]
    pub connections: Option<usize>,
    /// W1, W5: acknowledge each message in a frame of its own, instead of together what arrived together
    #[arg(long)]
    pub acknowledge_each: bool,
    /// The core of the servers and their database
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// The core of this program
    #[arg(long, default_value_t = 1)]
    pub client_core: usize,
    /// Pin nothing to a core: for a try-out, the figures mean little then
    #[arg(long)]
    pub unpinned: bool,
    /// Where the server's data go, in a folder that is removed afterwards; the system's temporary folder if left out
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// Write the figures into this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The homeserver program; the one beside this program if left out
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
}

/// What `loadgen relay` takes.
#[derive(Debug, Args)]
pub struct RelayOptions {
    /// Where to listen
    #[arg(long)]
    pub listen: SocketAddr,
}

/// The homeserver's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Database {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Workload {
    /// Online relay
    W1,
    /// Durable store, then drain
    W2,
    /// Memory of idle connections
    W3,
    /// Start, and idle memory
    W4,
    /// Online relay across two homeservers
    W5,
    /// Log-ins and key claims
    W6,
}

impl RunOptions {
    /// Whether a workload is wanted.
    pub fn wants(&self, workload: Workload) -> bool {
        self.only.is_empty() || self.only.contains(&workload)
    }

    /// A number times the scale, at least 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and far from the limits
    pub fn scaled(&self, number: u32) -> u32 {
        ((f64::from(number) * self.scale).round() as u32).max(1)
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 100_000.0 => Ok(number),
        _ => Err("write a number above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
