//! Order per pair of devices where a message fails for now: nothing later overtakes it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::collections::BTreeMap;

use process::{Homeserver, Kind, Person, Socket};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(nothing_overtakes_a_message_without_room);

fn message(n: u128, receiver: (&str, &str), bytes: usize) -> Value {
    use base64::Engine as _;
    let content = base64::engine::general_purpose::STANDARD.encode(vec![7; bytes]);
    json!({ "id": Uuid::from_u128(n), receiver.0: receiver.1, "content": content })
}

/// What a message came to: its state, or the code of its error.
async fn answer(socket: &mut Socket, n: u128) -> String {
    let id = json!(Uuid::from_u128(n));
    loop {
        let frame = socket.next().await;
        if frame["messageId"] == id || frame["id"] == id {
            return frame["state"].as_str().or(frame["code"].as_str()).unwrap().to_owned();
        }
    }
}

async fn nothing_overtakes_a_message_without_room(kind: Kind) {
    let Some(server) = Homeserver::start_with(kind, &["limits.pending_bytes=200000"]).await else { return };
    let alice = Person::register(&server, "alice").await;
    let bob = Person::register(&server, "bob").await;
    let (mut a, _) = alice.connect().await;
    let by_name = ("receiver", "bob");
    a.send(message(1, by_name, 140_000)).await;
    assert_eq!(answer(&mut a, 1).await, "sent");
    // All at once: some are queued with the one that finds no room, some come after its answer.
    a.send(message(2, by_name, 140_000)).await;
    for n in 3..=20 {
        a.send(message(n, by_name, 1)).await;
    }
    // Answers come in whatever order.
    let mut told = BTreeMap::new();
    while told.len() < 19 {
        let frame = a.next().await;
        told.insert(frame["id"].as_str().unwrap().to_owned(), frame["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(told[&Uuid::from_u128(2).to_string()], "quota_exceeded");
    assert!(told.values().all(|code| ["quota_exceeded", "after_failed"].contains(&code.as_str())), "{told:?}");
    a.send(message(3, ("receiverId", &bob.id), 1)).await;
    assert_eq!(answer(&mut a, 3).await, "after_failed", "whatever the receiver is called");

    let (mut b, frames) = bob.connect().await;
    b.received(&frames[1]).await;
    server.database.wait_for_rows("pending_messages", 0).await;
    for n in 2..=4 {
        a.send(message(n, by_name, 1)).await;
        let frame = b.next().await;
        assert_eq!(frame["id"], json!(Uuid::from_u128(n)));
        b.received(&frame).await;
        assert_eq!(answer(&mut a, n).await, "received");
    }
}
