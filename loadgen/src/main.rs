//! `loadgen`: drives a real homeserver process with raw frames and measures what one core does, with every message
//! checked; beside it, a bare relay driven by the same code shows the ceiling.

mod account;
mod affinity;
mod check;
mod cli;
mod drive;
mod figures;
mod frames;
mod http;
mod machine;
mod postgres;
mod process;
mod relay;
mod report;
mod server;
mod socket;
mod work;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        // The same runtime as the homeserver's: one worker on one core.
        Command::Relay(options) => {
            tokio::runtime::Runtime::new().context("starting the runtime")?.block_on(relay::serve(options.listen))
        }
        Command::Run(options) => {
            let report = work::run(&options)?;
            report.print();
            report.save(options.json.as_deref())
        }
    }
}
