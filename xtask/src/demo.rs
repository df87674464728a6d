//! `cargo xtask demo`: two people, each with the terminal client, exchange encrypted messages through a fresh homeserver.

mod leftovers;
mod listener;
mod person;
mod server;

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    demo::{person::Person, server::Server},
    postgres::Postgres,
    setup, shell,
    steps::{self, Steps},
    system, workspace,
};

/// What `cargo xtask demo` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// End the homeserver after the exchange instead of leaving it running
    #[arg(long)]
    exit: bool,
    /// Keep the homeserver's data in a private PostgreSQL instead of the embedded database
    #[arg(long)]
    postgres: bool,
}

const TO_BOB: &str = "Hello Bob, only you can read this.";
const TO_ALICE: &str = "Hello Alice! You were away, so this one waited for you, sealed.";

/// Shows everything, then leaves the homeserver running, or ends it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let postgres = prepare(options, &mut steps)?;
    let server = steps
        .step("Start a homeserver on an empty database", || Server::start(postgres.as_ref().map(Postgres::url)))?;
    let (alice, bob) = steps.step("Register Alice and Bob", || register(&server))?;
    steps.step("Alice writes to Bob, who is online", || online(&alice, &bob))?;
    steps.step("Bob writes to Alice, who is not", || offline(&bob, &alice))?;
    steps.step("What each of them has on their own disk, decrypted", || histories(&alice, &bob))?;
    steps.step("What the homeserver has left of it", || leftovers::check(&server, &[TO_BOB, TO_ALICE]))?;
    if options.exit {
        return steps.step("End the homeserver", || end(server));
    }
    what_next(&server, &alice, &bob)?;
    server.wait()
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

fn register(server: &Server) -> Result<(Person, Person)> {
    let alice = Person::register("alice", server)?;
    let bob = Person::register("bob", server)?;
    Ok((alice, bob))
}

fn online(sender: &Person, receiver: &Person) -> Result<()> {
    let listener = receiver.listen()?;
    listener.wait_online()?;
    sender.send(receiver, TO_BOB)?;
    arrived(&listener.message()?, sender, TO_BOB)
}

fn offline(sender: &Person, receiver: &Person) -> Result<()> {
    sender.send(receiver, TO_ALICE)?;
    let listener = receiver.listen()?;
    arrived(&listener.message()?, sender, TO_ALICE)
}

/// The line of the receiver's client must carry exactly what was written, and by whom.
fn arrived(line: &str, sender: &Person, text: &str) -> Result<()> {
    for (member, value) in [("text", text), ("sender", sender.address())] {
        ensure!(
            line.contains(&format!("\"{member}\":\"{value}\"")),
            "expected {member} \"{value}\" to arrive, but what came is: {line}"
        );
    }
    println!("It arrived, decrypted, word for word.");
    Ok(())
}

fn histories(alice: &Person, bob: &Person) -> Result<()> {
    for (person, other) in [(alice, bob), (bob, alice)] {
        let history = person.history(other)?;
        for text in [TO_BOB, TO_ALICE] {
            ensure!(history.contains(text), "the history of {} lacks \"{text}\"", person.address());
        }
    }
    Ok(())
}

fn end(server: Server) -> Result<()> {
    let folder = server.folder().to_owned();
    server.stop()?;
    println!("It ended cleanly.");
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

fn what_next(server: &Server, alice: &Person, bob: &Person) -> Result<()> {
    let here = std::env::current_dir().context("asking where we are")?;
    println!("\n== It is your turn");
    println!("The homeserver runs at {} until you press Ctrl-C; its log is", server.url());
    println!("{}. In other terminals:\n", server.log().display());
    println!("    cd {}", here.display());
    for (what, command) in [
        ("Bob waits for messages", bob.listen_command()),
        ("Alice writes to him", alice.send_command(bob, "How are you?")),
        ("What Alice wrote and got", alice.history_command(bob)),
        ("How the homeserver is", server.health_command()),
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
fn shown(mut command: Command) -> Result<String> {
    let line = shell::line(&command);
    println!("$ {line}");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting `{line}`"))?;
    let text = String::from_utf8(output.stdout).with_context(|| format!("the output of `{line}`"))?;
    print!("{text}");
    steps::succeed(line, output.status)?;
    Ok(text)
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes())).with_context(|| format!("writing {}", path.display()))
}
