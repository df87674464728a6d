//! What homeservers say to each other.

use std::collections::BTreeMap;

use bytes::Bytes;
use missive_wire::{
    CipherKind, Code, Content, Data, DeviceContent, DeviceId, ENVELOPES_MAX, Envelope, EnvelopeResult, ErrorBody,
    ErrorDetails, MessageContent, MessageEnvelope, RemoteClaim, State, StatusEnvelope, Timestamp, Transaction,
    TransactionAnswer,
};
use serde_json::{Value, json};
use uuid::Uuid;

const ID: &str = "01900000-0000-7000-8000-000000000001";
const OTHER: &str = "01900000-0000-7000-8000-000000000002";

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn message(content: MessageContent) -> MessageEnvelope {
    MessageEnvelope {
        id: id(ID),
        sender: "alice@one.example".parse().unwrap(),
        sender_device: DeviceId::FIRST,
        receiver: "bob@two.example".parse().unwrap(),
        content,
        registration_id: None,
        sent_at: Timestamp::from_millis(1_795_428_000_000),
    }
}

fn status(ids: &[&str], state: State, code: Option<Code>) -> Envelope {
    Envelope::Status(StatusEnvelope {
        message_ids: ids.iter().map(|text| id(text)).collect(),
        state,
        code,
        sender: "bob@two.example".parse().unwrap(),
        receiver: "alice@one.example".parse().unwrap(),
        receiver_device: DeviceId::FIRST,
    })
}

/// Writes the envelope, compares it, and reads it back out of a transaction.
fn pinned(envelope: &Envelope, expected: &Value) {
    let text = envelope.to_json();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), *expected);
    let body = Transaction::body([text.as_str(), text.as_str()]);
    let read = Transaction::read(&body).unwrap().envelopes(&body);
    assert_eq!(read.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [envelope.clone(), envelope.clone()]);
}

fn read(body: &str) -> Vec<Result<Envelope, Code>> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let envelopes = Transaction::read(&body).unwrap().envelopes(&body);
    envelopes.into_iter().map(|one| one.map_err(|error| error.code)).collect()
}

#[test]
fn envelopes() {
    let lone = MessageContent::Lone { kind: Some(CipherKind::PreKey), content: Content::encode(b"hi") };
    pinned(
        &Envelope::Message(message(lone)),
        &json!({"message": {"id": ID, "sender": "alice@one.example", "senderDevice": 1, "receiver": "bob@two.example",
            "kind": "preKey", "content": "aGk=", "sentAt": "2026-11-23T10:00:00.000Z"}}),
    );
    let one = DeviceContent { registration_id: 7, kind: CipherKind::Message, content: Content::encode(b"hi") };
    let several = MessageContent::PerDevice(BTreeMap::from([(DeviceId::FIRST, one)]));
    pinned(
        &Envelope::Message(message(several)),
        &json!({"message": {"id": ID, "sender": "alice@one.example", "senderDevice": 1, "receiver": "bob@two.example",
            "contents": {"1": {"registrationId": 7, "kind": "message", "content": "aGk="}},
            "sentAt": "2026-11-23T10:00:00.000Z"}}),
    );
    pinned(
        &status(&[ID], State::Undeliverable, Some(Code::Expired)),
        &json!({"status": {"messageId": ID, "state": "undeliverable", "code": "expired", "sender": "bob@two.example",
            "receiver": "alice@one.example", "receiverDevice": 1}}),
    );
    pinned(
        &status(&[ID, OTHER], State::Read, None),
        &json!({"status": {"messageIds": [ID, OTHER], "state": "read", "sender": "bob@two.example",
            "receiver": "alice@one.example", "receiverDevice": 1}}),
    );
}

#[test]
fn results() {
    let refused = ErrorBody { error: "no".into(), code: Code::ReceiverGone, details: ErrorDetails::default() };
    let results = vec![
        EnvelopeResult::accepted(None),
        EnvelopeResult::accepted(Some(State::Received)),
        EnvelopeResult::deferred(),
        EnvelopeResult::Refused(refused),
    ];
    let answer = Data { data: TransactionAnswer { incarnation: id(ID), results } };
    let expected = json!({"data": {"incarnation": ID, "results": [
        {"accepted": true}, {"accepted": true, "state": "received"}, {"deferred": true},
        {"error": "no", "code": "receiver_gone"},
    ]}});
    assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
    let read: Data<TransactionAnswer> = serde_json::from_value(expected).unwrap();
    assert_eq!(read.data, answer.data);
}

#[test]
fn claims() {
    let claim = RemoteClaim { claim_id: id(ID), requester: "alice@one.example".parse().unwrap() };
    let expected = json!({"claimId": ID, "requester": "alice@one.example"});
    assert_eq!(serde_json::to_value(&claim).unwrap(), expected);
}

#[test]
fn an_envelope_that_cannot_be_read_spoils_no_other() {
    let good = status(&[ID], State::Received, None).to_json();
    let body = Transaction::body([
        good.as_str(),
        r#"{"status": {"state": "sent"}}"#,
        r#"{"future": {}}"#,
        "null",
        r#"{"message": {"id": 1}}"#,
        good.as_str(),
    ]);
    let read = read(std::str::from_utf8(&body).unwrap());
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false, false, true]);
    assert!(read.iter().filter_map(|one| one.as_ref().err()).all(|code| *code == Code::Malformed));
}

#[test]
fn members_that_are_not_known_are_ignored() {
    let read = read(
        r#"{"x": [1], "envelopes": [{"status": {"messageId": "01900000-0000-7000-8000-000000000001", "future": {"a": 1},
        "state": "received", "sender": "bob@two.example", "receiver": "alice@one.example"}}]}"#,
    );
    assert_eq!(read, [Ok(status(&[ID], State::Received, None))]);
}

#[test]
fn bounds_hold() {
    assert!(Transaction::read(br#"{"envelopes": []}"#).is_err());
    let many = vec!["null"; ENVELOPES_MAX + 1];
    assert_eq!(Transaction::read(&Transaction::body(many)).unwrap_err().code, Code::TooLarge);
    let large = "A".repeat(missive_wire::CONTENT_MAX_CHARS + 4);
    let large = MessageContent::Lone { kind: None, content: large.try_into().unwrap() };
    let body = Transaction::body([Envelope::Message(message(large)).to_json().as_str()]);
    assert_eq!(read(std::str::from_utf8(&body).unwrap()), [Err(Code::TooLarge)]);
    let both = r#"{"envelopes": [{"message": {"id": "01900000-0000-7000-8000-000000000001", "sender": "a@b", "receiver": "c@d",
        "content": "aGk=", "contents": {}, "sentAt": "2026-11-23T10:00:00.000Z"}}]}"#;
    assert_eq!(read(both), [Err(Code::Malformed)]);
    for text in ["", "[]", "{}", "{\"envelopes\": 1}", "\u{0}"] {
        assert_eq!(Transaction::read(text.as_bytes()).unwrap_err().code, Code::Malformed, "{text}");
    }
}
