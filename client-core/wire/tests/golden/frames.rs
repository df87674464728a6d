//! The frames of the WebSocket.

use missive_wire::{
    CipherKind, ClientFrame, Code, Delivered, DeviceContent, ErrorDetails, Hello, KeysLow, MessageContent,
    MessageFrame, Noted, PeerIncarnation, Receiver, ServerError, ServerFrame, State, StatusAck, StatusFrame,
    StatusUpdate,
};
use serde_json::{Value, json};

use super::{ID, OTHER, alice, at, bob, content, device, pin};

/// The frame is written as this JSON, and read from it.
fn pin_client(frame: &ClientFrame, json: &Value) {
    assert_eq!(serde_json::from_str::<Value>(&frame.to_json()).unwrap(), *json);
    assert_eq!(ClientFrame::parse(&json.to_string()).unwrap(), *frame);
}

fn refused(json: &Value) -> (Code, Option<uuid::Uuid>) {
    let error = ClientFrame::parse(&json.to_string()).unwrap_err();
    assert!(!error.error.is_empty());
    (error.code, error.id)
}

fn lone(id: Option<uuid::Uuid>, receiver: Receiver, kind: Option<CipherKind>) -> ClientFrame {
    let content = MessageContent::Lone { kind, content: content() };
    ClientFrame::Message(MessageFrame { id, receiver, content })
}

#[test]
fn messages_of_a_client() {
    pin_client(
        &lone(Some(ID), Receiver::Name("bob".parse().unwrap()), None),
        &json!({"id": ID, "receiver": "bob", "content": "Y2lwaGVydGV4dA=="}),
    );
    pin_client(
        &lone(Some(ID), Receiver::Address(bob()), Some(CipherKind::PreKey)),
        &json!({"id": ID, "receiver": "bob@two.example:8448", "kind": "preKey", "content": "Y2lwaGVydGV4dA=="}),
    );
    pin_client(
        &lone(None, Receiver::Id(OTHER), Some(CipherKind::Message)),
        &json!({"receiverId": OTHER, "kind": "message", "content": "Y2lwaGVydGV4dA=="}),
    );
    let one = |registration_id, kind| DeviceContent { registration_id, kind, content: content() };
    let contents = [(device(1), one(1, CipherKind::PreKey)), (device(127), one(16_380, CipherKind::Message))]
        .into_iter()
        .collect();
    let content = MessageContent::PerDevice(contents);
    pin_client(
        &ClientFrame::Message(MessageFrame { id: Some(ID), receiver: Receiver::Address(bob()), content }),
        &json!({"id": ID, "receiver": "bob@two.example:8448", "contents": {
            "1": {"registrationId": 1, "kind": "preKey", "content": "Y2lwaGVydGV4dA=="},
            "127": {"registrationId": 16380, "kind": "message", "content": "Y2lwaGVydGV4dA=="}
        }}),
    );
}

#[test]
fn statuses_of_a_client() {
    let status = |state, code| {
        let receiver = Receiver::Address(alice());
        ClientFrame::Status(StatusFrame {
            message_ids: vec![ID, OTHER],
            state,
            receiver,
            sender_device: device(2),
            code,
        })
    };
    for (state, text) in [(State::Received, "received"), (State::Read, "read")] {
        pin_client(
            &status(state, None),
            &json!({"messageIds": [ID, OTHER], "state": text, "receiver": "alice@one.example", "senderDevice": 2}),
        );
    }
    pin_client(
        &status(State::Undeliverable, Some(Code::Undecryptable)),
        &json!({"messageIds": [ID, OTHER], "state": "undeliverable", "receiver": "alice@one.example", "senderDevice": 2,
            "code": "undecryptable"}),
    );
    pin_client(
        &ClientFrame::StatusAck(StatusAck { message_ids: vec![ID], state: State::Received }),
        &json!({"statusAck": {"messageIds": [ID], "state": "received"}}),
    );
}

#[test]
fn short_forms_of_a_client() {
    let short = json!({"messageId": ID, "state": "received", "receiver": "Alice", "later": {"unknown": "members"}});
    let frame = StatusFrame {
        message_ids: vec![ID],
        state: State::Received,
        receiver: Receiver::Name("alice".parse().unwrap()),
        sender_device: device(1),
        code: None,
    };
    assert_eq!(ClientFrame::parse(&short.to_string()).unwrap(), ClientFrame::Status(frame));
}

#[test]
fn refused_frames_name_their_id_where_it_can_be_read() {
    let content = "Y2lwaGVydGV4dA==";
    let malformed = (Code::Malformed, Some(ID));
    assert_eq!(refused(&json!({"id": ID, "receiver": "bob"})), malformed);
    assert_eq!(refused(&json!({"id": ID, "content": content})), malformed);
    assert_eq!(refused(&json!({"id": ID, "receiver": "bob smith", "content": content})), malformed);
    assert_eq!(refused(&json!({"id": ID, "receiver": "bob", "content": "not base64!"})), malformed);
    assert_eq!(refused(&json!({"id": ID, "receiver": "bob", "kind": "future", "content": content})), malformed);
    assert_eq!(refused(&json!({"id": ID, "receiver": "bob", "contents": {}})), malformed);
    assert_eq!(
        refused(&json!({"id": ID, "receiver": "bob", "content": content, "contents": {
            "1": {"registrationId": 1, "kind": "preKey", "content": content}
        }})),
        malformed
    );
    assert_eq!(
        refused(&json!({"id": ID, "receiver": "bob", "contents": {
            "128": {"registrationId": 1, "kind": "preKey", "content": content}
        }})),
        malformed
    );
    let large = "A".repeat(missive_wire::CONTENT_MAX_CHARS + 4);
    assert_eq!(refused(&json!({"id": ID, "receiver": "bob", "content": large})), (Code::TooLarge, Some(ID)));
    let nameless = (Code::Malformed, None);
    assert_eq!(refused(&json!({"messageId": ID, "state": "sent", "receiver": "alice"})), nameless);
    assert_eq!(refused(&json!({"messageId": ID, "state": "lost", "receiver": "alice"})), nameless);
    assert_eq!(refused(&json!({"messageIds": [], "state": "read", "receiver": "alice"})), nameless);
    assert_eq!(refused(&json!({"messageIds": vec![ID; 101], "state": "read", "receiver": "alice"})), nameless);
    assert_eq!(refused(&json!({"statusAck": {"messageIds": [], "state": "read"}})), nameless);
    assert_eq!(refused(&json!({})), nameless);
    assert_eq!(refused(&json!([1, 2])), nameless);
    assert_eq!(refused(&json!({"id": "no uuid"})), nameless);
}

#[test]
fn a_server_greets_and_drains() {
    let hello = Hello { incarnation: ID, device: device(1), pending: 3 };
    pin(&ServerFrame::Hello { hello }, &json!({"hello": {"incarnation": ID, "device": 1, "pending": 3}}));
    pin(&ServerFrame::Drained { drained: true }, &json!({"drained": true}));
    let keys = KeysLow { pre_keys: 19, pq_pre_keys: 0 };
    pin(&ServerFrame::Keys { keys }, &json!({"keys": {"preKeys": 19, "pqPreKeys": 0}}));
    let noted = Noted { message_ids: vec![ID], state: State::Read };
    let peer_incarnation = PeerIncarnation { server: bob().server, incarnation: OTHER };
    pin(
        &ServerFrame::PeerIncarnation { peer_incarnation },
        &json!({"peerIncarnation": {"server": bob().server, "incarnation": OTHER}}),
    );
    pin(&ServerFrame::Noted { noted }, &json!({"noted": {"messageIds": [ID], "state": "read"}}));
}

#[test]
fn messages_of_a_server() {
    let full = Delivered {
        id: ID,
        sender: alice(),
        sender_id: Some(OTHER),
        sender_device: device(2),
        kind: Some(CipherKind::Message),
        content: content(),
        sent_at: at(),
    };
    let bare = Delivered { sender_id: None, kind: None, ..full.clone() };
    pin(
        &ServerFrame::Message(full),
        &json!({"id": ID, "sender": "alice@one.example", "senderId": OTHER, "senderDevice": 2, "kind": "message",
            "content": "Y2lwaGVydGV4dA==", "sentAt": "2026-03-01T12:00:00.000Z"}),
    );
    pin(
        &ServerFrame::Message(bare),
        &json!({"id": ID, "sender": "alice@one.example", "senderDevice": 2, "content": "Y2lwaGVydGV4dA==",
            "sentAt": "2026-03-01T12:00:00.000Z"}),
    );
}

#[test]
fn statuses_of_a_server() {
    let one = |state| StatusUpdate { message_id: Some(ID), message_ids: vec![], state, sender: bob(), code: None };
    for (state, text) in [(State::Sent, "sent"), (State::Received, "received"), (State::Read, "read")] {
        pin(
            &ServerFrame::Status(one(state)),
            &json!({"messageId": ID, "state": text, "sender": "bob@two.example:8448"}),
        );
    }
    let many = StatusUpdate {
        message_id: None,
        message_ids: vec![ID, OTHER],
        code: Some(Code::ReceiverGone),
        ..one(State::Undeliverable)
    };
    pin(
        &ServerFrame::Status(many),
        &json!({"messageIds": [ID, OTHER], "state": "undeliverable", "sender": "bob@two.example:8448",
            "code": "receiver_gone"}),
    );
    assert!(
        State::Sent < State::Undeliverable && State::Undeliverable < State::Received && State::Received < State::Read
    );
}

#[test]
fn failures_of_a_server() {
    let error = |code, id, details| ServerError { error: "why".into(), code, id, details };
    pin(
        &ServerFrame::Error(error(Code::Malformed, None, ErrorDetails::default())),
        &json!({"error": "why", "code": "malformed"}),
    );
    let temporary = ErrorDetails { retry_after: Some(2), ..ErrorDetails::default() };
    pin(
        &ServerFrame::Error(error(Code::AfterFailed, Some(ID), temporary)),
        &json!({"error": "why", "code": "after_failed", "id": ID, "retryAfter": 2}),
    );
    let devices = ErrorDetails {
        missing_devices: vec![device(2)],
        extra_devices: vec![device(3)],
        stale_devices: vec![device(1)],
        ..ErrorDetails::default()
    };
    pin(
        &ServerFrame::Error(error(Code::DeviceMismatch, Some(ID), devices)),
        &json!({"error": "why", "code": "device_mismatch", "id": ID, "missingDevices": [2], "extraDevices": [3],
            "staleDevices": [1]}),
    );
}
