//! `cargo xtask demo`: Alice and Bob exchange encrypted messages with the terminal client. Each has a homeserver of
//! their own, as two organisations would.

mod exchange;
mod leftovers;
mod listener;
mod person;
mod server;
mod servers;

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    demo::{exchange::Exchange, servers::Servers},
    postgres::Postgres,
    setup, shell,
    steps::{self, Steps},
    system, workspace,
};

/// What `cargo xtask demo` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// End the homeservers after the exchange instead of leaving them running
    #[arg(long)]
    exit: bool,
    /// Keep the homeservers' data in a private PostgreSQL instead of embedded databases
    #[arg(long)]
    postgres: bool,
}

/// Shows everything, then leaves the homeservers running, or ends them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let postgres = prepare(options, &mut steps)?;
    let mut servers = steps.step("Start two homeservers, each with a name, keys and a database of its own", || {
        Servers::start(postgres.as_ref())
    })?;
    let exchange = steps.step("Register Alice at the one, Bob at the other", || Exchange::register(&servers))?;
    steps.step("Alice writes to Bob, who is online", || exchange.online())?;
    steps.step("Bob answers, and Alice is online", || exchange.answer())?;
    steps.step("Bob is away, and Alice writes", || exchange.away())?;
    steps.step("Bob's homeserver is down, and Alice writes all the same", || exchange.outage(&mut servers.two))?;
    steps.step("What each of them has on their own disk, decrypted", || exchange.histories())?;
    steps.step("Is somebody between them?", || exchange.safety_numbers())?;
    steps.step("What the homeservers have left of it", || servers.leftovers(&exchange::TEXTS))?;
    if options.exit {
        return steps.step("End the homeservers", || servers.end());
    }
    what_next(&servers, &exchange)?;
    servers.wait()
}

/// Builds what the demonstration runs, and starts its database if it wants one.
fn prepare(options: &Options, steps: &mut Steps) -> Result<Option<Postgres>> {
    steps.step("Fetch what the build needs", setup::run)?;
    steps.step("Build the homeserver and its clients", || {
        let words = "build --locked -p homeserver -p client-core -p missivectl";
        steps::run(workspace::cargo().args(words.split(' ')))
    })?;
    if !options.postgres {
        return Ok(None);
    }
    steps.step("Start a private PostgreSQL", || {
        system::install_missing()?;
        Postgres::start().map(Some)
    })
}

fn what_next(servers: &Servers, exchange: &Exchange) -> Result<()> {
    let here = std::env::current_dir().context("asking where we are")?;
    let (Servers { one, two, .. }, Exchange { alice, bob }) = (servers, exchange);
    println!("\n== It is your turn");
    println!("The homeservers run until you press Ctrl-C:");
    for server in [one, two] {
        println!("    {} at {}, log in {}", server.name(), server.url(), server.log().display());
    }
    println!("In other terminals:\n\n    cd {}", here.display());
    for (what, command) in [
        ("Bob waits for messages", bob.listen_command()),
        ("Alice writes to him", alice.send_command(bob, "How are you?")),
        ("Alice on a screen to chat in (F1 is help, Ctrl-Q leaves)", alice.chat_command(bob)),
        ("What Alice wrote and got", alice.history_command(bob)),
        ("How the one homeserver gets on with the other", one.admin_command(&["federation", "peer", "list"])),
        ("Each step of the way there", one.admin_command(&["federation", "peer", "check", two.name()])),
    ] {
        println!("\n    # {what}\n    {}", shell::line(&command));
    }
    Ok(())
}

/// A program that `prepare` built.
fn program(name: &str) -> PathBuf {
    workspace::target().join("debug").join(name)
}

/// Runs the command in view and shows what it prints, which is returned too.
fn shown(command: Command) -> Result<String> {
    println!("$ {}", shell::line(&command));
    let text = output(command)?;
    print!("{text}");
    Ok(text)
}

/// Runs the command and gives what it prints.
fn output(mut command: Command) -> Result<String> {
    let line = shell::line(&command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting `{line}`"))?;
    steps::succeed(line.clone(), output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{line}`"))
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes())).with_context(|| format!("writing {}", path.display()))
}
