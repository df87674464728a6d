//! Missive in the terminal.

// The command line, and what every command needs.
mod args;
mod chat;
mod failure;
mod interrupt;
mod output;
mod place;
mod prompt;
mod secrets;
mod who;

// A file a command.
mod accounts;
mod contacts;
mod conversations;
mod export;
mod history;
mod identity;
mod listen;
mod login;
mod register;
mod safety_number;
mod search;
mod send;
mod shell;
mod status;

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
        // Whoever has closed the pipe wants no more.
        Ok(()) | Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Register(args) => register::register(global, output, args).await,
        Command::Login(args) => login::login(global, output, args).await,
        Command::Logout(args) => login::logout(global, output, args).await,
        Command::Identity(args) => identity::identity(global, output, args).await,
        Command::Search(args) => search::search(global, output, args).await,
        Command::Contacts(args) => contacts::contacts(global, output, args).await,
        Command::Send(args) => send::send(global, output, args).await,
        Command::Listen(args) => listen::listen(global, output, args).await,
        Command::Conversations => conversations::conversations(global, output).await,
        Command::History(args) => history::history(global, output, args).await,
        Command::SafetyNumber(args) => safety_number::safety_number(global, output, args).await,
        Command::Status => status::status(global, output).await,
        Command::Accounts => accounts::accounts(global, output).await,
        Command::Export(args) => export::export(global, output, args).await,
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
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
