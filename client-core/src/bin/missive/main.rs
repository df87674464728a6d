//! Missive in the terminal.

mod account;
mod args;
mod failure;
mod history;
mod listen;
mod output;
mod secrets;
mod send;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use failure::Failure;
use output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let output = Output::new(cli.global.json);
    match run(cli, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Register(args) => account::register(global, output, args).await,
        Command::Login(args) => account::login(global, output, args).await,
        Command::Send(args) => send::send(global, output, args).await,
        Command::Listen(args) => listen::listen(global, output, args).await,
        Command::History(args) => history::history(global, output, args).await,
    }
}

/// Nothing is logged unless `MISSIVE_LOG` asks for it.
fn log() {
    let filter = EnvFilter::try_from_env("MISSIVE_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
