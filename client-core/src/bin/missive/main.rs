//! Missive in the terminal.

mod account;
mod args;
mod chat;
mod failure;
mod history;
mod listen;
mod output;
mod place;
mod secrets;
mod send;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use failure::Failure;
use output::Output;

/// What writes requests whole into its trace, tokens among them, stays quiet even where everything is asked for.
const WITH_SECRETS: [&str; 1] = ["tungstenite::handshake=off"];

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
        Command::Chat(args) => chat::chat(global, output, args).await,
    }
}

/// Nothing is logged unless `MISSIVE_LOG` asks for it.
fn log() {
    let asked = EnvFilter::try_from_env("MISSIVE_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(without_secrets(asked)).with_writer(std::io::stderr).init();
}

fn without_secrets(asked: EnvFilter) -> EnvFilter {
    WITH_SECRETS.iter().filter_map(|quiet| quiet.parse().ok()).fold(asked, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wish_for_more_logs_a_token() {
        for asked in ["trace", "tungstenite=trace", "tungstenite::handshake=trace"] {
            let filter = without_secrets(EnvFilter::new(asked)).to_string();
            assert!(filter.split(',').any(|directive| directive == "tungstenite::handshake=off"), "{filter}");
            assert!(!filter.contains("handshake=trace"), "{filter}");
        }
    }
}
