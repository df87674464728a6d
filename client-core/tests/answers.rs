//! A homeserver that answers whatever it likes: the client says what is wrong, and neither panics nor believes it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::ws::{CloseFrame, Message, WebSocket},
    http::{HeaderMap, StatusCode, header},
};
use client_core::{
    Client, Clock, Closed, Error, Event, Reconnect, Registration,
    wire::{ClaimedBundle, ClientFrame, Code, MessageId, State, StatusFrame},
};
use common::{
    Party, bundle,
    puppet::{INCARNATION, Puppet, Spoiling, options, register, serve, spoil},
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

/// What registering at a server that always answers this comes to.
async fn register_at(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Error {
    let body = body.into();
    let answer = move || async move { (status, headers, body) };
    let server = serve(Router::new().fallback(answer)).await;
    let home = tempfile::tempdir().unwrap();
    register(&options(home.path()), &server).await.unwrap_err()
}

fn failure(code: &str) -> String {
    json!({"error": "a sentence", "code": code}).to_string()
}

#[tokio::test]
async fn failures_are_told_apart() {
    let at = async |status, body: String| register_at(status, HeaderMap::new(), body).await;
    assert!(matches!(at(StatusCode::CONFLICT, failure("name_taken")).await, Error::NameTaken));
    assert!(matches!(at(StatusCode::UNAUTHORIZED, failure("wrong_credentials")).await, Error::WrongCredentials));
    assert!(matches!(at(StatusCode::FORBIDDEN, failure("account_revoked")).await, Error::AccountRevoked));
    assert!(matches!(
        at(StatusCode::UNPROCESSABLE_ENTITY, failure("weak_password")).await,
        Error::Refused { code: Code::WeakPassword, .. }
    ));
    assert!(matches!(
        at(StatusCode::IM_A_TEAPOT, failure("never_heard_of")).await,
        Error::Refused { code: Code::Refused, .. }
    ));
    assert!(matches!(at(StatusCode::BAD_GATEWAY, "<html>".into()).await, Error::Unreachable(_)));
    assert!(matches!(at(StatusCode::OK, "<html>".into()).await, Error::UnexpectedAnswer(_)));
    let wait = HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().unwrap())]);
    let limited = register_at(StatusCode::TOO_MANY_REQUESTS, wait, failure("rate_limited")).await;
    assert!(
        matches!(limited, Error::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_secs(7)),
        "{limited}"
    );
}

#[tokio::test]
async fn no_redirect_is_followed_and_nothing_endless_read() {
    let elsewhere = serve(Router::new().fallback(|| async { panic!("followed") as StatusCode })).await;
    let location = HeaderMap::from_iter([(header::LOCATION, elsewhere.parse().unwrap())]);
    let redirected = register_at(StatusCode::TEMPORARY_REDIRECT, location, "").await;
    assert!(matches!(redirected, Error::Unreachable(_)), "{redirected}");
    let large = register_at(StatusCode::OK, HeaderMap::new(), vec![b' '; 33 * 1024 * 1024]).await;
    assert!(matches!(large, Error::UnexpectedAnswer(_)), "{large}");
}

#[tokio::test]
async fn an_unusable_url_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    for url in ["", "localhost:8080", "ftp://one.example", "http://", "file:///etc/passwd"] {
        let refused = register(&options(home.path()), url).await.unwrap_err();
        assert!(matches!(refused, Error::InvalidServer(_)), "{url}: {refused}");
    }
    let nobody = register(&options(home.path()), "http://127.0.0.1:1").await.unwrap_err();
    assert!(matches!(nobody, Error::Unreachable(_)), "{nobody}");
}

/// Alice, connected to a socket that the test holds the other end of.
struct Stage {
    alice: Client,
    connection: client_core::Connection,
    socket: WebSocket,
    bob: Party,
    alice_keys: ClaimedBundle,
    _home: tempfile::TempDir,
}

impl Stage {
    async fn set() -> Self {
        let bob = Party::new("bob@two.example").await;
        let (server, puppet, mut sockets) = Puppet::start(bundle(&bob.upload, Some(0)), "opaque").await;
        let home = tempfile::tempdir().unwrap();
        let alice = register(&options(home.path()), &server).await.unwrap();
        let connecting = alice.connect(Reconnect::Never);
        let greeting = async {
            let mut socket = sockets.recv().await.unwrap();
            say(&mut socket, json!({"hello": {"incarnation": INCARNATION, "device": 1, "pending": 0}})).await;
            socket
        };
        let (connection, socket) = tokio::join!(connecting, greeting);
        let alice_keys = bundle(puppet.published.lock().await.as_ref().unwrap(), Some(0));
        let mut stage = Self { alice, connection: connection.unwrap(), socket, bob, alice_keys, _home: home };
        assert!(matches!(stage.event().await, Event::Connected { pending: 0 }));
        stage
    }

    async fn event(&mut self) -> Event {
        timeout(Duration::from_secs(10), self.connection.next()).await.unwrap().unwrap()
    }

    async fn frame(&mut self) -> ClientFrame {
        loop {
            let message = timeout(Duration::from_secs(10), self.socket.recv()).await.unwrap().unwrap().unwrap();
            if let Message::Text(text) = message {
                return ClientFrame::parse(&text).unwrap();
            }
        }
    }

    async fn sent(&mut self, text: &str) -> MessageId {
        let id = self.alice.send(self.bob.address(), text).await.unwrap();
        let ClientFrame::Message(frame) = self.frame().await else { panic!("not a message") };
        assert_eq!(frame.id, Some(id));
        id
    }
}

async fn say(socket: &mut WebSocket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

#[tokio::test]
async fn frames_of_any_kind_are_survived() {
    let mut stage = Stage::set().await;
    let mut runner = TestRunner::deterministic();
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    for _ in 0..100 {
        let bytes = noise.new_tree(&mut runner).unwrap().current();
        stage.socket.send(Message::text(String::from_utf8_lossy(&bytes).into_owned())).await.unwrap();
        stage.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }
    for frame in [
        json!(null),
        json!([]),
        json!({"hello": {}}),
        json!({"hello": {"incarnation": INCARNATION, "device": 200, "pending": -1}}),
        json!({"messageIds": [], "state": "read", "sender": "bob@two.example"}),
        json!({"messageId": Uuid::now_v7(), "state": "read", "sender": "bob@two.example"}),
        json!({"messageId": "no id", "state": "sent", "sender": "bob@two.example"}),
        json!({"noted": {"messageIds": [Uuid::now_v7()], "state": "read"}}),
        json!({"keys": {"preKeys": 100, "pqPreKeys": 100}}),
        json!({"peerIncarnation": {"server": "two.example", "incarnation": INCARNATION}}),
        json!({"peerIncarnation": {"server": "Two..Example", "incarnation": 1}}),
        json!({"id": "x", "sender": "y", "content": "!"}),
        json!({"drained": true}),
    ] {
        say(&mut stage.socket, frame).await;
    }
    assert!(matches!(stage.event().await, Event::Drained));
    stage.connection.close().await;
}

/// Frames that are well-formed but for one member each; what they say of the client's own message included.
#[tokio::test]
async fn frames_with_anything_in_them_are_survived() {
    let mut stage = Stage::set().await;
    let id = stage.sent("hello").await;
    let mut runner = TestRunner::deterministic();
    let cases = (any::<usize>(), junk());
    let frames = [
        json!({"error": "later", "code": "quota_exceeded", "id": id, "retryAfter": 1}),
        json!({"error": "no", "code": "malformed", "id": Uuid::nil(), "retryAfter": u64::MAX}),
        json!({"messageIds": [id, id], "state": "sent", "sender": "bob@two.example"}),
        json!({"messageId": id, "state": "undeliverable", "code": "expired", "sender": "mallory@two.example"}),
        json!({"id": Uuid::nil(), "sender": "bob@two.example", "senderDevice": 1, "kind": "preKey", "content": "AAAA",
            "sentAt": "2026-01-01T00:00:00.000Z"}),
        json!({"hello": {"incarnation": INCARNATION, "device": 1, "pending": 3}}),
        json!({"noted": {"messageIds": [id], "state": "read"}}),
        json!({"keys": {"preKeys": 100, "pqPreKeys": 100}}),
        json!({"peerIncarnation": {"server": "three.example", "incarnation": INCARNATION}}),
    ];
    // Whoever shows the events goes on taking them.
    for _ in 0..40 {
        for frame in &frames {
            let (at, by) = cases.new_tree(&mut runner).unwrap().current();
            let mut frame = frame.clone();
            spoil(&mut frame, &Spoiling { at: at.max(1), by });
            say(&mut stage.socket, frame).await;
        }
    }
    // The longest wait that a number can say.
    say(&mut stage.socket, json!({"error": "x", "code": "quota_exceeded", "id": id, "retryAfter": u64::MAX})).await;
    say(&mut stage.socket, json!({"drained": true})).await;
    while !matches!(stage.event().await, Event::Drained) {}
    let history = stage.alice.account().history(stage.bob.address(), 1).await.unwrap();
    assert!(history[0].state.is_none_or(|state| state < State::Received), "no false tick: {history:?}");
    stage.connection.close().await;
}

/// A homeserver may say any address; what another account keeps here stays as it is.
#[tokio::test]
async fn a_homeserver_cannot_pass_for_another_account() {
    let bob = Party::new("bob@two.example").await;
    let (server, puppet, _sockets) = Puppet::start(bundle(&bob.upload, Some(0)), "opaque").await;
    let home = tempfile::tempdir().unwrap();
    let options = options(home.path());
    let alice = register(&options, &server).await.unwrap();
    let key = alice.identity_key().await.unwrap();
    drop(alice);
    // The same again, of whoever holds the same server.
    let again = register(&options, &server).await.unwrap_err();
    assert!(matches!(again, Error::AlreadyHere(_)), "{again}");
    *puppet.id.lock().unwrap() = Uuid::now_v7();
    let other = register(&options, &server).await.unwrap_err();
    assert!(matches!(other, Error::OtherAccount(_)), "{other}");
    let mallory = Registration { name: "mallory".into(), password: "correct horse".into(), invite: None };
    let other = Client::register(&options, &server, &mallory).await.unwrap_err();
    assert!(matches!(other, Error::UnexpectedAnswer(_)), "asked for mallory, told of alice: {other}");
    let alice = Client::open(&options, &"alice@one.example".parse().unwrap()).await.unwrap();
    assert_eq!(alice.identity_key().await.unwrap(), key);
}

/// The stream of events ends with the connection.
#[tokio::test]
async fn the_last_event_is_the_last() {
    let mut stage = Stage::set().await;
    let close = CloseFrame { code: 4401, reason: "the session has ended".into() };
    stage.socket.send(Message::Close(Some(close))).await.unwrap();
    assert!(matches!(stage.event().await, Event::Closed(Closed::Code(4401, _))));
    assert!(timeout(Duration::from_secs(10), stage.connection.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_read_is_settled_as_such() {
    let mut stage = Stage::set().await;
    let id = Uuid::now_v7();
    let message = json!({"id": id, "sender": "bob@two.example", "senderDevice": 3, "content": "AAAA",
        "sentAt": "2026-01-01T00:00:00.000Z"});
    say(&mut stage.socket, message).await;
    let ClientFrame::Status(StatusFrame { message_ids, state, sender_device, code, .. }) = stage.frame().await else {
        panic!("not a status")
    };
    assert_eq!((message_ids, state, code), (vec![id], State::Undeliverable, Some(Code::Undecryptable)));
    assert_eq!(sender_device.get(), 3);
    assert!(matches!(stage.event().await, Event::Message(message) if message.text().is_none()));
}

#[tokio::test]
async fn no_false_tick_is_shown() {
    let mut stage = Stage::set().await;
    let id = stage.sent("hello").await;
    say(&mut stage.socket, json!({"messageId": id, "state": "read", "sender": "mallory@one.example"})).await;
    say(&mut stage.socket, json!({"messageId": id, "state": "received", "sender": "bob@two.example"})).await;
    let Event::Status(change) = stage.event().await else { panic!("not a status") };
    assert_eq!((change.id, change.state), (id, State::Received));
    let ClientFrame::StatusAck(ack) = stage.frame().await else { panic!("not an acknowledgement") };
    assert_eq!((ack.message_ids, ack.state), (vec![id], State::Received));
}

#[tokio::test]
async fn a_temporary_error_is_tried_again_and_a_final_one_is_told() {
    let mut stage = Stage::set().await;
    let id = stage.sent("hello").await;
    let full = json!({"error": "full", "code": "quota_exceeded", "id": id, "retryAfter": 0});
    say(&mut stage.socket, full).await;
    assert!(matches!(stage.event().await, Event::Error { code: Code::QuotaExceeded, .. }));
    let ClientFrame::Message(again) = stage.frame().await else { panic!("not a message") };
    assert_eq!(again.id, Some(id));
    say(&mut stage.socket, json!({"error": "gone", "code": "receiver_gone", "id": id})).await;
    let Event::Status(change) = stage.event().await else { panic!("not a status") };
    assert_eq!((change.state, change.code), (State::Undeliverable, Some(Code::ReceiverGone)));
}

#[tokio::test]
async fn a_restored_peer_gets_what_it_has_not_answered_for_again() {
    let mut stage = Stage::set().await;
    let id = stage.sent("hello").await;
    say(&mut stage.socket, json!({"messageId": id, "state": "sent", "sender": "bob@two.example"})).await;
    assert!(matches!(stage.event().await, Event::Status(_)));
    say(&mut stage.socket, json!({"peerIncarnation": {"server": "two.example", "incarnation": INCARNATION}})).await;
    let ClientFrame::Message(again) = stage.frame().await else { panic!("not a message") };
    assert_eq!(again.id, Some(id));
}

#[tokio::test]
async fn every_read_is_told_however_many_are_owed() {
    let mut stage = Stage::set().await;
    stage.bob.mailbox.learn_bundle(stage.alice.address(), &stage.alice_keys).await.unwrap();
    let mut shown = Vec::new();
    for n in 0..101 {
        let message = stage.bob.write_to(stage.alice.address(), &n.to_string()).await;
        say(&mut stage.socket, json!(message)).await;
        let ClientFrame::Status(_) = stage.frame().await else { panic!("not a status") };
        let Event::Message(message) = stage.event().await else { panic!("not a message") };
        shown.push(message);
    }
    stage.alice.account().mark_read(&shown.iter().collect::<Vec<_>>()).await.unwrap();
    let ClientFrame::Status(first) = stage.frame().await else { panic!("not a status") };
    assert_eq!((first.state, first.message_ids.len()), (State::Read, 100));
    say(&mut stage.socket, json!({"noted": {"messageIds": first.message_ids, "state": "read"}})).await;
    let ClientFrame::Status(second) = stage.frame().await else { panic!("not a status") };
    assert_eq!((second.state, second.message_ids), (State::Read, vec![shown[100].id]));
}

#[tokio::test]
async fn messages_without_a_state_stay_within_the_window() {
    let mut stage = Stage::set().await;
    let mut ids = Vec::new();
    for n in 0..70 {
        ids.push(stage.alice.send(stage.bob.address(), &n.to_string()).await.unwrap());
    }
    for id in &ids[..64] {
        let ClientFrame::Message(frame) = stage.frame().await else { panic!("not a message") };
        assert_eq!(frame.id, Some(*id));
    }
    timeout(Duration::from_millis(200), stage.frame()).await.unwrap_err();
    say(&mut stage.socket, json!({"messageIds": &ids[..64], "state": "sent", "sender": "bob@two.example"})).await;
    for id in &ids[64..] {
        let ClientFrame::Message(frame) = stage.frame().await else { panic!("not a message") };
        assert_eq!(frame.id, Some(*id));
    }
}

#[tokio::test]
async fn an_expiring_token_is_refreshed_with_the_rotated_cookie() {
    let bob = Party::new("bob@two.example").await;
    // {"exp":1}: long over by anyone's clock.
    let (server, puppet, _sockets) = Puppet::start(bundle(&bob.upload, Some(0)), "e30.eyJleHAiOjF9.c2ln").await;
    let home = tempfile::tempdir().unwrap();
    let mut options = options(home.path());
    options.clock = Clock::system();
    let alice = register(&options, &server).await.unwrap();
    assert_eq!(*puppet.refreshed.lock().await, 1);
    alice.check_keys().await.unwrap();
    assert_eq!(*puppet.refreshed.lock().await, 1);
}

/// What may stand in the place of anything.
fn junk() -> impl Strategy<Value = Option<Value>> {
    let deep = (0..100).fold(json!({}), |inside, _| json!({"a": [inside]}));
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(json!(true))),
        Just(Some(json!(-1))),
        Just(Some(json!(0))),
        Just(Some(json!(1e300))),
        Just(Some(json!(u64::MAX))),
        Just(Some(json!(""))),
        Just(Some(json!("\u{1b}[31m\u{202e}"))),
        Just(Some(json!("A".repeat(100_000)))),
        Just(Some(json!("AAAA"))),
        Just(Some(json!(Uuid::nil()))),
        Just(Some(json!([]))),
        Just(Some(json!({}))),
        Just(Some(deep)),
    ]
}

/// Whatever stands in an answer, registering comes to a session or an error, and nobody is written to under keys that
/// are not his.
#[tokio::test]
async fn answers_with_anything_in_them_are_survived() {
    let bob = Party::new("bob@two.example").await;
    let (server, puppet, _sockets) = Puppet::start(bundle(&bob.upload, Some(0)), "opaque").await;
    let mut runner = TestRunner::deterministic();
    let cases = (any::<usize>(), junk());
    for _ in 0..12 {
        let (at, by) = cases.new_tree(&mut runner).unwrap().current();
        *puppet.spoiling.lock().unwrap() = Some(Spoiling { at: at % 12, by });
        let home = tempfile::tempdir().unwrap();
        let _ = register(&options(home.path()), &server).await;
    }
    *puppet.spoiling.lock().unwrap() = None;
    let home = tempfile::tempdir().unwrap();
    let alice = register(&options(home.path()), &server).await.unwrap();
    let mut taken = 0;
    for _ in 0..150 {
        let (at, by) = cases.new_tree(&mut runner).unwrap().current();
        *puppet.spoiling.lock().unwrap() = Some(Spoiling { at, by: by.clone() });
        let somebody = format!("b{}@two.example", Uuid::now_v7().simple()).parse().unwrap();
        taken += usize::from(alice.send(&somebody, "hello").await.is_ok());
        let _ = alice.account().search("b").await;
        let _ = alice.account().published_keys().await;
        let _ = alice.check_keys().await;
    }
    // A bundle may do without its one-time key.
    assert!(taken < 75, "{taken}");
    *puppet.spoiling.lock().unwrap() = None;
    alice.send(bob.address(), "hello").await.unwrap();
}

/// What a thief finds: no token, nothing that this computer's user has noted, no name.
#[tokio::test]
async fn a_stolen_copy_tells_no_token_or_note() {
    let bob = Party::new("bob@two.example").await;
    let (server, _puppet, _sockets) = Puppet::start(bundle(&bob.upload, Some(0)), "opaque-access-token").await;
    let home = tempfile::tempdir().unwrap();
    let alice = register(&options(home.path()), &server).await.unwrap();
    alice.send(bob.address(), "the eagle has landed").await.unwrap();
    let account = alice.account();
    account.set_petname(bob.address(), Some("Bobby the Brave")).await.unwrap();
    account.set_blocked(&"mallory@three.example".parse().unwrap(), true).await.unwrap();
    account.verify(&alice.safety_number(bob.address()).await.unwrap()).await.unwrap();
    let secrets = ["opaque-access-token", "refresh-token-one", "Bobby", "mallory", "bob@", "alice@", "eagle", &server];
    let mut files = 0;
    for entry in walk(home.path()) {
        let bytes = std::fs::read(&entry).unwrap();
        files += 1;
        for secret in secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            let is_named = entry.display().to_string().replace(&home.path().display().to_string(), "").contains(secret);
            assert!(!is_there && !is_named, "{} has {secret}", entry.display());
        }
    }
    assert!(files >= 4, "key.json, the store, its log, its lock");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
