//! The hand-over through the front door: a real homeserver process, raw frames, both databases.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::time::Duration;

use process::{Homeserver, Kind, Person};
use serde_json::{Value, json};
use sqlx::{PgConnection, SqliteConnection};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

on_both_databases!(
    both_online,
    offline_then_back,
    nothing_is_written_when_the_receiver_acknowledges_at_once,
    an_unacknowledged_message_is_stored_and_drained,
    statuses_wait_for_the_sender,
    read_is_noted_and_passed_on,
    messages_over_rest,
    a_copy_is_delivered_once,
    an_undecryptable_message_is_settled,
    hostile_frames_are_refused_and_the_server_stays_up,
    the_same_device_connecting_again_wins,
    a_shutdown_stores_what_waits_and_says_1001,
);

fn content(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn pair(kind: Kind) -> Option<(Homeserver, Person, Person)> {
    let server = Homeserver::start(kind).await?;
    let alice = Person::register(&server, "alice").await;
    let bob = Person::register(&server, "bob").await;
    Some((server, alice, bob))
}

async fn both_online(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, before) = alice.connect().await;
    assert_eq!(before[0]["hello"]["device"], 1);
    assert_eq!(before[0]["hello"]["pending"], 0);
    Uuid::parse_str(before[0]["hello"]["incarnation"].as_str().unwrap()).unwrap();
    let (mut b, _) = bob.connect().await;
    let id = Uuid::now_v7().to_string();
    a.send(json!({"id": id, "receiver": "bob", "kind": "preKey", "content": content("one")})).await;
    let message = b.next().await;
    assert_eq!(message["id"], id);
    assert_eq!(message["sender"], alice.address());
    assert_eq!(message["senderId"], alice.id);
    assert_eq!(message["senderDevice"], 1);
    assert_eq!(message["kind"], "preKey");
    assert_eq!(message["content"], content("one"));
    assert!(message["sentAt"].as_str().unwrap().ends_with('Z'));
    b.received(&message).await;
    assert_eq!(a.next().await, json!({"messageId": id, "state": "received", "sender": bob.address()}));
    // Without an id the server assigns one, and the receiver may be named in other ways.
    a.send(json!({"receiver": bob.address(), "content": content("two")})).await;
    let message = b.next().await;
    b.received(&message).await;
    assert_eq!(a.next().await["messageId"], message["id"]);
    a.send(json!({"receiverId": bob.id, "content": content("three")})).await;
    assert_eq!(b.next().await["content"], content("three"));
    drop(server);
}

async fn offline_then_back(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    for n in 1..=150 {
        let id = Uuid::from_u128(n).to_string();
        a.send(json!({"id": id, "receiver": "bob", "content": content(&n.to_string())})).await;
        assert_eq!(a.next().await, json!({"messageId": id, "state": "sent", "sender": bob.address()}));
    }
    assert_eq!(server.database.rows("pending_messages").await, 150);
    let mut b = bob.open().await;
    assert_eq!(b.next().await["hello"]["pending"], 150);
    for n in 1..=150 {
        let message = next_message(&mut b).await;
        assert_eq!(message["id"], Uuid::from_u128(n).to_string(), "in order");
        b.received(&message).await;
    }
    let mut told = Vec::new();
    while told.len() < 150 {
        let status = a.next().await;
        assert_eq!(status["state"], "received");
        let ids = ids_of(&status);
        a.send(json!({"statusAck": {"messageIds": ids, "state": "received"}})).await;
        told.extend(ids);
    }
    told.sort_by_key(ToString::to_string);
    told.dedup();
    assert_eq!(told.len(), 150, "each once");
    server.database.wait_for_rows("pending_messages", 0).await;
    server.database.wait_for_rows("message_statuses", 0).await;
}

async fn next_message(socket: &mut process::Socket) -> Value {
    loop {
        let frame = socket.next().await;
        if frame.get("content").is_some() {
            return frame;
        }
        assert!(frame.get("drained").is_some(), "{frame}");
    }
}

fn ids_of(status: &Value) -> Vec<Value> {
    match status.get("messageIds") {
        Some(ids) => ids.as_array().unwrap().clone(),
        None => vec![status["messageId"].clone()],
    }
}

/// Something that changes with every write to the database by anyone else.
enum Witness {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Witness {
    async fn of(server: &Homeserver) -> Self {
        match server.database.kind {
            Kind::Sqlite => Self::Sqlite(server.database.sqlite().await),
            Kind::Postgres => Self::Postgres(server.database.postgres().await),
        }
    }

    async fn look(&mut self) -> i64 {
        match self {
            Self::Sqlite(db) => sqlx::query_scalar("PRAGMA data_version").fetch_one(db).await.unwrap(),
            Self::Postgres(db) => {
                // An idle backend that has flushed its statistics a moment ago does so again after ten seconds.
                tokio::time::sleep(Duration::from_millis(10_500)).await;
                // The sequence of places shows at once that a message was stored, even if it went again.
                sqlx::query_scalar(
                    "SELECT CAST(sum(n_tup_ins + n_tup_upd + n_tup_del) AS BIGINT) + coalesce(pg_sequence_last_value( \
                     CAST(pg_get_serial_sequence('pending_messages', 'seq') AS regclass)), 0) FROM pg_stat_user_tables",
                )
                .fetch_one(db)
                .await
                .unwrap()
            }
        }
    }
}

async fn nothing_is_written_when_the_receiver_acknowledges_at_once(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    // The server tidies its database when it starts; let it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut witness = Witness::of(&server).await;
    let before = witness.look().await;
    for n in 1..=100 {
        let id = Uuid::from_u128(n).to_string();
        a.send(json!({"id": id, "receiver": "bob", "content": content("secret")})).await;
        let message = b.next().await;
        b.received(&message).await;
        assert_eq!(a.next().await["state"], "received");
    }
    assert_eq!(witness.look().await, before, "no row was written");

    a.send(json!({"receiver": "bob", "content": content("unanswered")})).await;
    assert_eq!(b.next().await["content"], content("unanswered"));
    assert_eq!(a.next().await["state"], "sent");
    assert_ne!(witness.look().await, before, "the witness sees a write");
}

async fn an_unacknowledged_message_is_stored_and_drained(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    a.send(json!({"receiver": "bob", "content": content("one")})).await;
    let first = b.next().await;
    assert_eq!(a.next().await["state"], "sent");
    assert_eq!(server.database.rows("pending_messages").await, 1);
    // Its backlog is not empty: the next one goes to the store at once, and then to the device.
    a.send(json!({"receiver": "bob", "content": content("two")})).await;
    assert_eq!(a.next().await["state"], "sent");
    let second = b.next().await;
    assert_eq!(second["content"], content("two"));
    drop(b);
    let (mut b, frames) = bob.connect().await;
    let contents = frames.iter().filter_map(|frame| frame.get("content")).collect::<Vec<_>>();
    assert_eq!(contents, [&first["content"], &second["content"]], "not acknowledged, so sent again, in order");
    b.received(&first).await;
    b.received(&second).await;
    let mut told = 0;
    while told < 2 {
        told += ids_of(&a.next().await).len();
    }
    server.database.wait_for_rows("pending_messages", 0).await;
}

async fn statuses_wait_for_the_sender(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    a.send(json!({"id": Uuid::from_u128(7), "receiver": "bob", "content": content("one")})).await;
    assert_eq!(a.next().await["state"], "sent");
    drop(a);
    let (mut b, frames) = bob.connect().await;
    b.received(&frames[1]).await;
    server.database.wait_for_rows("message_statuses", 1).await;
    let expected = json!({"messageId": Uuid::from_u128(7), "state": "received", "sender": bob.address()});
    for _ in 0..2 {
        let (_, frames) = alice.connect().await;
        assert_eq!(frames[1], expected, "repeated at each connection until acknowledged");
    }
    let (status, body) = alice.request("GET", "/api/v1/users/alice/messages/status", None).await;
    assert_eq!((status, &body["data"]["statuses"]), (200, &json!([expected])));
    let ack = json!({"statuses": [{"messageId": Uuid::from_u128(7), "state": "read"}]});
    let (_, body) = alice.request("DELETE", "/api/v1/users/alice/messages/status", Some(ack)).await;
    assert_eq!(body["data"]["settled"], 0, "another state is not acknowledged by it");
    let (mut a, _) = alice.connect().await;
    a.send(json!({"statusAck": {"messageIds": [Uuid::from_u128(7)], "state": "received"}})).await;
    server.database.wait_for_rows("message_statuses", 0).await;
}

async fn read_is_noted_and_passed_on(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    a.send(json!({"receiver": "bob", "content": content("one")})).await;
    let message = b.next().await;
    b.received(&message).await;
    assert_eq!(a.next().await["state"], "received");
    b.status(&message, "read").await;
    assert_eq!(b.next().await, json!({"noted": {"messageIds": [message["id"]], "state": "read"}}));
    assert_eq!(a.next().await, json!({"messageId": message["id"], "state": "read", "sender": bob.address()}));
    assert_eq!(server.database.rows("message_statuses").await, 1, "kept until the sender has it");
    b.status(&message, "received").await;
    a.silent().await;
}

async fn messages_over_rest(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    for n in 1..=3 {
        a.send(json!({"id": Uuid::from_u128(n), "receiver": "bob", "content": content("hi")})).await;
        assert_eq!(a.next().await["state"], "sent");
    }
    let (status, body) = bob.request("GET", "/api/v1/users/bob/messages?limit=2", None).await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(body["data"]["more"], true);
    let one = &body["data"]["messages"][0];
    let ack = json!({"messages": [{"sender": one["sender"], "senderDevice": 1, "id": one["id"]}], "ids": [Uuid::from_u128(2)]});
    let (status, body) = bob.request("DELETE", "/api/v1/users/bob/messages", Some(ack)).await;
    assert_eq!((status, &body["data"]["settled"]), (200, &json!(2)));
    assert_eq!(server.database.rows("pending_messages").await, 1);
    let mut told = 0;
    while told < 2 {
        let status = a.next().await;
        assert_eq!(status["state"], "received");
        told += ids_of(&status).len();
    }
    let (status, body) = alice.request("GET", "/api/v1/users/bob/messages", None).await;
    assert_eq!((status, &body["code"]), (403, &json!("not_owner")));
    let (status, body) = bob.request("DELETE", "/api/v1/users/bob/messages", Some(json!({}))).await;
    assert_eq!((status, &body["code"]), (400, &json!("malformed")));
}

async fn a_copy_is_delivered_once(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let frame = json!({"id": Uuid::from_u128(9), "receiver": "bob", "content": content("again")});
    for _ in 0..3 {
        a.send(frame.clone()).await;
        assert_eq!(a.next().await["state"], "sent");
    }
    assert_eq!(server.database.rows("pending_messages").await, 1);
    let (_b, frames) = bob.connect().await;
    assert_eq!(frames.len(), 2, "hello and one message: {frames:?}");
}

async fn an_undecryptable_message_is_settled(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    a.send(json!({"receiver": "bob", "content": content("garbage")})).await;
    let message = b.next().await;
    let undeliverable = json!({
        "messageId": message["id"], "state": "undeliverable", "code": "undecryptable", "receiver": message["sender"]
    });
    b.send(undeliverable).await;
    let expected = json!({
        "messageId": message["id"], "state": "undeliverable", "sender": bob.address(), "code": "undecryptable"
    });
    assert_eq!(a.next().await, expected);
    assert_eq!(server.database.rows("message_statuses").await, 1);
    assert_eq!(server.database.rows("pending_messages").await, 0);
}

async fn hostile_frames_are_refused_and_the_server_stays_up(kind: Kind) {
    let Some((server, alice, bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let id = Uuid::from_u128(5).to_string();
    let refusals = [
        ("not json".to_owned(), "malformed", Value::Null),
        ("[1, 2]".to_owned(), "malformed", Value::Null),
        ("{}".to_owned(), "malformed", Value::Null),
        (json!({"id": id, "receiver": "bob", "content": "not base64!"}).to_string(), "malformed", json!(id)),
        (json!({"id": id, "receiver": "bob", "content": "QQ"}).to_string(), "malformed", json!(id)),
        (json!({"id": id, "receiver": "no one", "content": "QUJD"}).to_string(), "malformed", json!(id)),
        (json!({"id": id, "receiver": "nobody", "content": "QUJD"}).to_string(), "not_found", json!(id)),
        (json!({"id": id, "receiver": "bob@two.example", "content": "QUJD"}).to_string(), "unknown_server", json!(id)),
        (json!({"id": id, "receiver": "bob", "content": content(&"x".repeat(150_000))}).to_string(), "too_large", json!(id)),
        (json!({"id": id, "receiver": "bob", "contents": {"1": {"registrationId": 1, "kind": "message", "content": "QUJD"},
            "2": {"registrationId": 1, "kind": "message", "content": "QUJD"}}}).to_string(), "device_mismatch", json!(id)),
        (json!({"messageId": id, "state": "sent", "receiver": "bob"}).to_string(), "malformed", Value::Null),
        (json!({"messageId": id, "state": "eaten", "receiver": "bob"}).to_string(), "malformed", Value::Null),
        (format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)), "malformed", Value::Null),
    ];
    for (frame, code, id) in refusals {
        a.raw(Message::text(frame.clone())).await;
        let answer = a.next().await;
        let shown = &frame[..frame.len().min(100)];
        assert_eq!((&answer["code"], &answer["id"]), (&json!(code), &id), "{shown}: {answer}");
        assert!(answer["error"].as_str().unwrap().len() > 10);
    }
    assert_eq!(server.database.rows("pending_messages").await, 0, "nothing was stored");

    a.raw(Message::text("x".repeat(300_000))).await;
    assert_eq!(a.closed().await, 1009, "a frame over 256 KiB");
    let (mut a, _) = alice.connect().await;
    a.raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(a.closed().await, 1003);
    assert_eq!(invalid_utf8(&alice).await, 1007);
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    a.send(json!({"receiver": "bob", "content": content("still up")})).await;
    assert_eq!(b.next().await["content"], content("still up"));
}

/// Sends a text frame that is not UTF-8; the close code.
async fn invalid_utf8(person: &Person) -> u16 {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let (mut socket, _) = person.connect().await;
    let frame = Frame::message(vec![0xff, 0xfe, 0xfd], OpCode::Data(Data::Text), true);
    socket.raw(Message::Frame(frame)).await;
    socket.closed().await
}

async fn the_same_device_connecting_again_wins(kind: Kind) {
    let Some((_server, alice, bob)) = pair(kind).await else { return };
    let (mut older, _) = alice.connect().await;
    let (mut newer, _) = alice.connect().await;
    assert_eq!(older.closed().await, 4409);
    let (mut b, _) = bob.connect().await;
    b.send(json!({"receiver": "alice", "content": content("to the newer")})).await;
    assert_eq!(newer.next().await["content"], content("to the newer"));
}

async fn a_shutdown_stores_what_waits_and_says_1001(kind: Kind) {
    let Some((mut server, alice, mut bob)) = pair(kind).await else { return };
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    a.send(json!({"receiver": "bob", "content": content("late")})).await;
    assert_eq!(b.next().await["content"], content("late"));
    let stopped = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    assert_eq!(a.next().await["state"], "sent", "told before the socket closes");
    assert_eq!(a.closed().await, 1001);
    assert_eq!(b.closed().await, 1001);
    let mut server = stopped.await.unwrap();
    server.restart();
    bob.follow(&server);
    let (_b, frames) = bob.connect().await;
    assert_eq!(frames[1]["content"], content("late"));
}
