//! The project's chores, as `cargo xtask <command>`.
#![forbid(unsafe_code)]

mod bench;
mod demo;
mod guard;
mod node;
mod postgres;
mod python;
mod random;
mod setup;
mod shell;
mod steps;
mod system;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::steps::Failed;

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put protoc, from the Rust registry, where the build looks for it
    Setup,
    /// Run every check and every test, with a private PostgreSQL that is started and removed again
    Test(test::Options),
    /// Start the private PostgreSQL of the tests, print its URL and wait for Ctrl-C
    Postgres,
    /// Show two people exchanging encrypted messages across two fresh homeservers
    Demo(demo::Options),
    /// Measure a release build with the load generator, on SQLite and on a private PostgreSQL that syncs to the disk
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(error.downcast_ref::<Failed>().map_or(1, Failed::code))
        }
    }
}

fn run(command: Command) -> Result<()> {
    workspace::enter()?;
    match command {
        Command::Setup => setup::run(),
        Command::Test(options) => test::run(&options),
        Command::Postgres => postgres::serve(),
        Command::Demo(options) => demo::run(&options),
        Command::Bench(options) => bench::run(&options),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{CommandFactory, Parser};

    use super::{Command, Options};

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_follows_the_dashes_is_for_cargo_test() {
        let options =
            Options::try_parse_from(["xtask", "test", "--quick", "--", "-p", "homeserver", "--", "--nocapture"]);
        let Command::Test(test) = options.unwrap().command else { unreachable!("it is `test`") };
        assert!(test.quick);
        assert_eq!(test.cargo_args, ["-p", "homeserver", "--", "--nocapture"]);
    }
}
