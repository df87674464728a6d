//! `cargo xtask test`: every check and every test.

use anyhow::Result;
use clap::Args;

use crate::{
    node,
    postgres::{Postgres, URL_VARIABLE},
    python, setup,
    steps::{self, Steps},
    system, workspace,
};

/// What `cargo xtask test` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the tests: skip rustfmt, clippy and the documentation
    #[arg(long)]
    pub(crate) quick: bool,
    /// Arguments for `cargo test`
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) cargo_args: Vec<String>,
}

/// Runs the steps up to the first that fails, and says what each took.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let outcome = all(options, &mut steps);
    steps.summary();
    if outcome.is_ok() {
        println!("\nEverything passed.");
    }
    outcome
}

fn all(options: &Options, steps: &mut Steps) -> Result<()> {
    steps.step("setup: protoc", setup::run)?;
    steps.step("setup: programs of the system", system::install_missing)?;
    steps.step("setup: Python packages", python::install_missing)?;
    steps.step("setup: packages of Node", node::packages)?;
    if !options.quick {
        steps.step("setup: rustfmt and clippy", system::rust_components)?;
        steps.step("format", || cargo("fmt --all --check"))?;
        steps.step("clippy", || cargo("clippy --locked --workspace --all-targets -- -D warnings"))?;
        steps.step("documentation", documentation)?;
    }
    let postgres = steps.step("start PostgreSQL", || {
        let server = Postgres::start()?;
        println!("running, in a folder of its own");
        Ok(server)
    })?;
    steps.step("tests", || tests(&postgres, &options.cargo_args))?;
    steps.step("stop PostgreSQL", || {
        drop(postgres);
        Ok(())
    })
}

fn cargo(words: &str) -> Result<()> {
    steps::run(workspace::cargo().args(words.split(' ')))
}

fn documentation() -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args("doc --locked --workspace --no-deps".split(' '));
    steps::run(cargo.env("RUSTDOCFLAGS", "-Dwarnings"))
}

fn tests(postgres: &Postgres, more: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked"]);
    if !names_package(more) {
        cargo.arg("--workspace");
    }
    steps::run(cargo.args(more).env(URL_VARIABLE, postgres.url()))
}

/// Cargo ignores `-p` beside `--workspace`.
fn names_package(words: &[String]) -> bool {
    let mut before_dashes = words.iter().take_while(|word| *word != "--");
    before_dashes.any(|word| word.starts_with("-p") || word.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::names_package;

    #[test]
    fn a_package_is_named_before_the_dashes() {
        let names = |line: &str| names_package(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(names("-p homeserver"));
        assert!(names("--lib --package=client-core name"));
        assert!(!names("federation"));
        assert!(!names("name -- -p"));
    }
}
