//! The terminal client, killed at every step of sending and receiving: afterwards nothing is lost and nothing doubled.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

mod process;

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use client_core::{Account, Client, Clock, Options, Unlock, wire::Address};
use process::{Homeserver, Kind, Listener, SERVER_NAME, User, terminal::succeeded};
use serde_json::Value;

/// Every step of sending a first message, in order.
const SENDING: [&str; 13] = [
    "keys-claimed",
    "session-stored",
    "compose-encrypted",
    "compose-stored",
    "send-begun",
    "send-written",
    "status-applied",
    "status-stored",
    "status-applied:2",
    "status-stored:2",
    "acknowledge-begun",
    "acknowledge-written",
    "send-written:2",
];

/// Every step of receiving three messages, and of telling that they were shown.
const RECEIVING: [&str; 9] = [
    "receive-begun",
    "receive-decrypted",
    "receive-stored",
    "receive-decrypted:2",
    "receive-stored:3",
    "acknowledge-begun",
    "acknowledge-written",
    "acknowledge-written:2",
    "read-noted",
];

async fn homeserver() -> Homeserver {
    Homeserver::start(Kind::Sqlite).await.unwrap()
}

/// Runs a command that is to die at that step. Whether it has.
fn killed_at(mut command: Command, point: &str) -> bool {
    let output = command.env("MISSIVE_FAULT", point).output().unwrap();
    output.status.signal() == Some(9)
}

fn texts(lines: &[Value], direction: &str) -> Vec<String> {
    let wanted = lines.iter().filter(|line| line["direction"] == direction);
    wanted.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

/// Everything that Alice's client has kept is at Bob's, once and in order, and every tick is true.
fn agree(alice: &User, bob: &User) {
    // What waits goes out with the next message.
    alice.send(bob, "the last", "received");
    let (sent, got) = (alice.history(bob), bob.history(alice));
    assert_eq!(texts(&sent, "out"), texts(&got, "in"));
    let ticks = sent.iter().filter(|line| line["direction"] == "out").map(|line| &line["state"]);
    assert!(ticks.clone().all(|state| state == "received" || state == "read"), "{:?}", ticks.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_killed_anywhere_loses_and_doubles_nothing() {
    let server = homeserver().await;
    let bob = User::register(&server, "bob");
    let mut listener = bob.listen(&[]);
    listener.line("drained");
    let mut hits = 0;
    for (name, point) in
        ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12"].iter().zip(SENDING)
    {
        let alice = User::register(&server, name);
        let was_killed = killed_at(alice.send_command(&bob, "the first", "received"), point);
        // How often statuses come in a frame of their own is the network's to say.
        assert!(was_killed || point.ends_with(":2"), "{point} is never reached");
        hits += usize::from(was_killed);
        agree(&alice, &bob);
    }
    assert!(hits >= 10, "{hits} of {} steps were reached", SENDING.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_killed_anywhere_loses_and_doubles_nothing() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let mut hits = 0;
    for (name, point) in ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"].iter().zip(RECEIVING) {
        let bob = User::register(&server, name);
        let wanted = ["one", "two", "three"];
        for text in wanted {
            alice.send(&bob, text, "sent");
        }
        let mut command = bob.missive(&["listen", "--timeout", "5", "--read"]);
        let (mut shown, was_killed) = Listener::start({
            command.env("MISSIVE_FAULT", point);
            command
        })
        .rest();
        assert!(was_killed || point.ends_with(":2"), "{point} is never reached");
        hits += usize::from(was_killed);
        shown.extend(bob.listen_for("2", &["--read"]));
        shown.retain(|line| line["type"] == "message");
        for text in wanted {
            assert!(shown.iter().any(|line| line["text"] == text), "{point}: {text} was never shown: {shown:?}");
        }
        assert_eq!(texts(&bob.history(&alice), "in"), wanted, "{point}");
        alice.listen_for("1", &[]);
        let ticks = alice.history(&bob);
        assert!(ticks.iter().all(|line| line["state"] == "read"), "{point}: {ticks:?}");
        // The ratchet goes on.
        assert_eq!(bob.send(&alice, "understood", "sent")["state"], "sent");
    }
    assert!(hits >= 8, "{hits} of {} steps were reached", RECEIVING.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_log_ins_survive_a_kill() {
    let server = homeserver().await;
    let bob = User::register(&server, "bob");
    // Registered there, and dead before it knew that its keys had been published.
    let alice = User::new(&server, "alice");
    assert!(killed_at(alice.register_command(&server), "keys-published"));
    succeeded(&alice.login_command(&server, &[]).output().unwrap());
    alice.send(&bob, "hello", "sent");
    bob.listen(&["--count", "1"]).succeed();

    // A new identity that the homeserver has not seen is none.
    assert!(killed_at(alice.login_command(&server, &["--start-over"]), "identity-set-aside"));
    succeeded(&alice.login_command(&server, &[]).output().unwrap());
    alice.send(&bob, "still me", "sent");
    let mut listener = bob.listen(&["--count", "1"]);
    assert_eq!(listener.line("message").get("identityChanged"), None);
    listener.succeed();

    // One that it has taken is the one, although we died before we heard of it.
    assert!(killed_at(alice.login_command(&server, &["--start-over"]), "identity-published"));
    succeeded(&alice.login_command(&server, &[]).output().unwrap());
    alice.send(&bob, "the new me", "sent");
    let mut listener = bob.listen(&["--count", "1"]);
    assert_eq!(listener.line("message")["identityChanged"], true);
    listener.succeed();
}

/// A receiver whose store is an old copy cannot read on; the message comes again, whenever its sender dies.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_comes_again_whenever_the_sender_dies() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let copy = server.directory.path().join("copy");
    for (round, point) in ["again-encrypted", "again-stored", "nowhere"].into_iter().enumerate() {
        exchange(&alice, &bob);
        copy_folder(&bob.folder, &copy);
        exchange(&alice, &bob);
        fs::remove_dir_all(&bob.folder).unwrap();
        fs::rename(&copy, &bob.folder).unwrap();

        let text = format!("read me, {round}");
        let mut listener = bob.listen(&["--count", "2"]);
        listener.line("drained");
        let mut command = alice.send_command(&bob, &text, "received");
        let output = command.env("MISSIVE_FAULT", point).output().unwrap();
        assert_eq!(output.status.signal() == Some(9), point != "nowhere", "{point}");
        if output.status.success() {
            assert_eq!(succeeded(&output).last().unwrap()["state"], "received");
        } else {
            alice.listen_for("3", &[]);
        }
        assert!(listener.line("message").get("problem").is_some(), "the first form could not be read");
        assert_eq!(listener.line("message")["text"], *text);
        listener.succeed();
        let sent = alice.history(&bob);
        let message = sent.iter().filter(|line| line["text"] == *text).collect::<Vec<_>>();
        assert_eq!(message.len(), 1);
        assert_eq!(message[0]["state"], "received");
    }
}

/// One message each way.
fn exchange(alice: &User, bob: &User) {
    for (from, to) in [(alice, bob), (bob, alice)] {
        from.send(to, "step", "sent");
        to.listen(&["--count", "1"]).succeed();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_is_sent_once_though_the_owner_is_killed() {
    let server = homeserver().await;
    let bob = User::register(&server, "bob");
    for (name, point) in
        ["h0", "h1", "h2", "h3"].iter().zip(["nowhere", "keys-claimed", "compose-encrypted", "compose-stored"])
    {
        let alice = User::register(&server, name);
        let mut command = alice.missive(&["listen", "--timeout", "60"]);
        command.env("MISSIVE_FAULT", point);
        let mut owner = Listener::start(command);
        owner.line("drained");
        assert_eq!(alice.send(&bob, "for the owner", "sent")["state"], "sent", "{point}");
        if point != "nowhere" {
            assert!(owner.rest().1, "{point} is never reached");
        }
        bob.listen(&["--count", "1"]).succeed();
        assert_eq!(texts(&bob.history(&alice), "in"), ["for the owner"], "{point}");
        assert_eq!(alice.history(&bob).len(), 1);
    }
}

/// Run in a process of its own: asks for new tokens, which are old twenty minutes from now.
#[tokio::test]
#[ignore = "it is the other half of another test"]
async fn refresh() {
    let (options, alice) = alice_later(Duration::from_mins(20));
    Account::open(&options, &alice).await.unwrap().search("b").await.unwrap();
}

/// Run in a process of its own: makes new signed pre-keys, which are old eight days from now.
#[tokio::test]
#[ignore = "it is the other half of another test"]
async fn rotate() {
    let (options, alice) = alice_later(Duration::from_hours(8 * 24));
    Client::open(&options, &alice).await.unwrap().check_keys().await.unwrap();
}

/// The account of this process's test, with a clock that is ahead.
fn alice_later(by: Duration) -> (Options, Address) {
    let home = std::env::var("MISSIVE_TEST_HOME").unwrap();
    let clock = Clock::from_fn(move || {
        #[allow(clippy::disallowed_methods)] // it begins with today
        let now = SystemTime::now();
        now + by
    });
    let options = Options { clock, ..Options::new(&home, Unlock::KeyFile(Path::new(&home).join("key"))) };
    (options, format!("alice@{SERVER_NAME}").parse().unwrap())
}

/// Runs the other half of a test on somebody's account. Whether it was killed; else it must succeed.
fn half_is_killed_at(half: &str, user: &User, point: &str) -> bool {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", half, "--ignored"]).env("MISSIVE_TEST_HOME", &user.folder);
    let output = again.env("MISSIVE_FAULT", point).output().unwrap();
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tokens_survive_a_kill() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    User::register(&server, "bob");
    for point in ["tokens-refreshed", "tokens-stored", "nowhere", "nowhere"] {
        assert_eq!(half_is_killed_at("refresh", &alice, point), point != "nowhere", "{point}");
    }
    assert_eq!(alice.send("bob", "still logged in", "sent")["state"], "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_survive_a_kill() {
    for point in ["keys-made", "keys-published"] {
        let server = homeserver().await;
        let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
        assert!(half_is_killed_at("rotate", &alice, point), "{point} is never reached");
        assert_eq!(bob.send(&alice, "under whatever keys", "sent")["state"], "sent");
        let mut listener = alice.listen(&["--count", "1"]);
        assert_eq!(listener.line("message")["text"], "under whatever keys", "{point}");
        listener.succeed();
        assert!(!half_is_killed_at("rotate", &alice, "nowhere"));
    }
}
