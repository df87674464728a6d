//! What waits for an account is bounded, and so is each sender's part of it; who finds no room is told, and loses nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use process::{Homeserver, Kind, Person, Socket};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(one_sender_fills_a_tenth, statuses_count_against_who_caused_them);

/// A tenth of it is 70.
const QUOTA: &str = "limits.pending_messages=700";

async fn three(kind: Kind) -> Option<(Homeserver, Person, Person, Person)> {
    let server = Homeserver::start_with(kind, &[QUOTA]).await?;
    let alice = Person::register(&server, "alice").await;
    let bob = Person::register(&server, "bob").await;
    let carol = Person::register(&server, "carol").await;
    Some((server, alice, bob, carol))
}

async fn send(socket: &mut Socket, n: u128) -> Value {
    socket.send(json!({"id": Uuid::from_u128(n), "receiver": "bob", "content": "QUJD"})).await;
    socket.next().await
}

async fn one_sender_fills_a_tenth(kind: Kind) {
    let Some((server, alice, bob, carol)) = three(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    for n in 1..=70 {
        assert_eq!(send(&mut a, n).await["state"], "sent");
    }
    let refused = send(&mut a, 71).await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("quota_exceeded"), &json!(Uuid::from_u128(71))));
    assert!(refused["retryAfter"].as_u64().unwrap() > 0, "temporary: {refused}");
    let (mut c, _) = carol.connect().await;
    assert_eq!(send(&mut c, 1).await["state"], "sent", "others have their own share");

    let body = json!({"ids": (1..=10).map(Uuid::from_u128).collect::<Vec<_>>()});
    let (_, body) = bob.request("DELETE", "/api/v1/users/bob/messages", Some(body)).await;
    assert_eq!(body["data"]["settled"], 11, "ten of Alice's and one of Carol's");
    loop {
        let frame = a.next().await;
        if ids(&frame).contains(&json!(Uuid::from_u128(10))) {
            break;
        }
    }
    assert_eq!(send(&mut a, 71).await["state"], "sent", "what is received makes room");

    let rest = json!({"ids": (1..=71).map(Uuid::from_u128).collect::<Vec<_>>()});
    bob.request("DELETE", "/api/v1/users/bob/messages", Some(rest)).await;
    for (person, name) in [(&alice, "alice"), (&carol, "carol")] {
        let all = json!({"ids": (1..=71).map(Uuid::from_u128).collect::<Vec<_>>()});
        person.request("DELETE", &format!("/api/v1/users/{name}/messages/status"), Some(all)).await;
    }
    server.database.wait_for_rows("message_statuses", 0).await;
    server.database.wait_for_rows("pending_shares", 0).await;
}

fn ids(frame: &Value) -> Vec<Value> {
    let many = frame.get("messageIds").and_then(Value::as_array).cloned();
    many.unwrap_or_else(|| vec![frame["messageId"].clone()])
}

async fn statuses_count_against_who_caused_them(kind: Kind) {
    let Some((server, alice, bob, carol)) = three(kind).await else { return };
    let (mut b, _) = bob.connect().await;
    let read = |ids: std::ops::Range<u128>| json!({"messageIds": ids.map(Uuid::from_u128).collect::<Vec<_>>(), "state": "read", "receiver": "alice"});
    b.send(read(0..70)).await;
    assert!(b.next().await["noted"].is_object());
    b.send(read(70..71)).await;
    assert_eq!(b.next().await["code"], "quota_exceeded", "of messages that were never sent, as of any others");
    assert_eq!(server.database.rows("message_statuses").await, 70);
    b.send(read(0..70)).await;
    assert!(b.next().await["noted"].is_object(), "what is kept already needs no room");
    let (mut c, _) = carol.connect().await;
    c.send(read(100..101)).await;
    assert!(c.next().await["noted"].is_object(), "others have their own share");

    let (mut a, _) = alice.connect().await;
    a.send(json!({"statusAck": {"messageIds": (0..70).map(Uuid::from_u128).collect::<Vec<_>>(), "state": "read"}}))
        .await;
    server.database.wait_for_rows("message_statuses", 1).await;
    b.send(read(70..71)).await;
    assert!(b.next().await["noted"].is_object());
}
