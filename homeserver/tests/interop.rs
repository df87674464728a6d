//! The official TypeScript library of Signal and `missive` write to each other through a homeserver of real processes.
//!
//! The other party is a client of its own, in `interop/*.mjs`: it shares no line of code with ours. It checks of each
//! message that it gets that it is of version 4, carries the post-quantum ratchet, and is padded as it must be.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "interop/conversation.rs"]
mod conversation;
#[path = "interop/official.rs"]
mod official;
mod process;

use conversation::{Conversation, texts};
use official::{Official, is_installed};
use process::{Homeserver, Kind, User};
use serde_json::json;

on_both_databases!(a_thousand_messages_each_way, a_first_message_needs_no_one_time_keys, what_cannot_be_read_is_told,);

/// So many times a hundred messages each way.
const ROUNDS: usize = 10;

async fn a_thousand_messages_each_way(kind: Kind) {
    if !is_installed() {
        return;
    }
    let Some(server) = Homeserver::start(kind).await else { return };
    let mut conversation = tokio::task::block_in_place(|| Conversation::begin(&server));
    for round in 0..ROUNDS {
        // Both sides write in turn, so that both ratchets go on.
        tokio::task::block_in_place(|| conversation.official_writes(&texts("bob", round)));
        conversation.missive_writes(&texts("alice", round)).await;
    }
    tokio::task::block_in_place(|| conversation.end());
    server.database.wait_for_rows("pending_messages", 0).await;
    server.database.wait_for_rows("message_statuses", 0).await;
}

async fn a_first_message_needs_no_one_time_keys(kind: Kind) {
    if !is_installed() {
        return;
    }
    let limits = ["limits.claims_per_minute=1000", "limits.claims_per_target_per_minute=1000"];
    let Some(server) = Homeserver::start_with(kind, &limits).await else { return };
    tokio::task::block_in_place(|| {
        let (alice, mut bob) = (User::register(&server, "alice"), Official::register(&server, "bob", 0));
        bob.connect(false);
        assert_eq!(alice.send(bob.address(), "with Bob's last-resort key", "read")["state"], "read");
        let first = bob.event("message");
        assert_eq!((&first["kind"], &first["text"]), (&json!("preKey"), &json!("with Bob's last-resort key")));

        let mut carol = Official::register(&server, "carol", 0);
        carol.connect(false);
        while claim(&mut carol, &alice) {}
        carol.send(&alice.address(), &["with Alice's last-resort key".into()]);
        assert_eq!(carol.event("sending")["kind"], "preKey");
        let mut listener = alice.listen(&["--count", "1"]);
        assert_eq!(listener.line("message")["text"], "with Alice's last-resort key");
        listener.succeed();
        assert!(claim(&mut carol, &alice), "Alice has published more one-time keys");
    });
}

/// Claims somebody's keys; whether a one-time key was left.
fn claim(official: &mut Official, of: &User) -> bool {
    official.tell(&json!({"do": "claim", "of": of.address()}));
    official.event("claimed")["preKey"].as_bool().unwrap()
}

async fn what_cannot_be_read_is_told(kind: Kind) {
    if !is_installed() {
        return;
    }
    let Some(server) = Homeserver::start(kind).await else { return };
    tokio::task::block_in_place(|| {
        let (alice, mut bob) = (User::register(&server, "alice"), Official::register(&server, "bob", 10));
        bob.connect(false);
        missive_cannot_read(&alice, &mut bob);
        missive_is_not_read(&alice, &mut bob);
    });
    server.database.wait_for_rows("pending_messages", 0).await;
    server.database.wait_for_rows("message_statuses", 0).await;
}

/// What is damaged on its way is undecryptable; what was written wrongly is refused; the next message is read.
fn missive_cannot_read(alice: &User, bob: &mut Official) {
    let mut listener = alice.listen(&["--count", "6"]);
    listener.line("drained");
    let damages = [("ciphertext", "undecryptable"), ("padding", "refused"), ("receiver", "refused")];
    for (damage, code) in damages {
        bob.send_damaged(&alice.address(), "never shown", damage);
        let status = bob.event("status");
        assert_eq!((&status["state"], &status["code"]), (&json!("undeliverable"), &json!(code)), "{damage}");
        let shown = listener.line("message");
        assert_eq!(shown["text"], json!(null), "{shown}");
        assert!(shown["problem"].is_string(), "{shown}");

        bob.send(&alice.address(), &[format!("after the {damage}")]);
        assert_eq!(listener.line("message")["text"], format!("after the {damage}"));
        assert_eq!(bob.event("status")["state"], "received");
    }
    listener.succeed();
}

/// What the other side cannot read comes again under a session begun anew; what it cannot read twice is shown as such.
fn missive_is_not_read(alice: &User, bob: &mut Official) {
    bob.tell(&json!({"do": "damageNext", "count": 1}));
    assert_eq!(alice.send(bob.address(), "twice", "received")["state"], "received");
    bob.event("unreadable");
    let message = bob.event("message");
    assert_eq!((&message["kind"], &message["text"]), (&json!("preKey"), &json!("twice")));

    // Until it is answered, each message builds the session, and what is damaged of that does not matter any more.
    bob.send(&alice.address(), &["understood".to_owned()]);
    alice.listen(&["--count", "1"]).succeed();
    bob.tell(&json!({"do": "damageNext", "count": 2}));
    let output = alice.missive(&["send", &bob.address(), "damaged", "--wait", "received"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "refused or undeliverable");
    bob.event("unreadable");
    bob.event("unreadable");
    let history = alice.history(bob.address());
    let last = history.last().unwrap();
    assert_eq!((&last["state"], &last["code"]), (&json!("undeliverable"), &json!("undecryptable")), "{last}");

    assert_eq!(alice.send(bob.address(), "once more", "read")["state"], "read");
    let message = bob.event("message");
    assert_eq!((&message["kind"], &message["text"]), (&json!("preKey"), &json!("once more")));
    bob.disconnect();
}
