//! `missivectl`: the admin's command line, on the same database as the homeserver.

mod cli;
mod commands;
mod database;
mod failure;
mod output;

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};

use cli::Cli;
use failure::Failure;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let json = cli.json;
            ended(json, run(cli))
        }
        // `--help` and `--version` arrive as errors too.
        Err(error) if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            refused(&error)
        }
        Err(error) => error.exit(),
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Result<(), Failure> {
    commands::run(cli).await
}

fn ended(json: bool, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            failure.exit_code()
        }
    }
}

/// What clap refused. Whether JSON was asked for is not known from the command line that could not be read, so look.
fn refused(error: &clap::Error) -> ExitCode {
    if !std::env::args_os().any(|argument| argument == "--json") {
        error.exit();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    ended(true, Err(Failure::usage(text.trim_end())))
}
