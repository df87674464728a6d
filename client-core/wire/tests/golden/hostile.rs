//! Whatever arrives, nothing panics; what is well-formed comes back as it went out.

use std::collections::BTreeMap;

use missive_wire::{
    AccountName, Address, CONTENT_MAX_CHARS, CipherKind, ClientFrame, Code, Content, DeviceContent, DeviceId,
    KeyUpload, MESSAGE_IDS_MAX, MessageContent, MessageFrame, Payload, Receiver, ServerFrame, ServerName, State,
    StatusAck, StatusFrame, Timestamp, pad, unpad,
};
use proptest::{collection::vec, option, prelude::*};
use uuid::Uuid;

/// The members of every frame, with values that are sometimes right and sometimes not.
fn json_like() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("id"),
        Just("receiver"),
        Just("receiverId"),
        Just("kind"),
        Just("content"),
        Just("contents"),
        Just("messageId"),
        Just("messageIds"),
        Just("state"),
        Just("senderDevice"),
        Just("code"),
        Just("statusAck"),
        Just("sender"),
        Just("sentAt"),
        Just("hello"),
        Just("error")
    ];
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
        Just("\"bob@two.example\"".to_owned()),
        Just("\"01955a3c-0000-7000-8000-000000000001\"".to_owned()),
        Just("[\"01955a3c-0000-7000-8000-000000000001\"]".to_owned()),
        Just("\"read\"".to_owned()),
        Just("\"QUJD\"".to_owned()),
        Just("{\"1\": {\"registrationId\": 1, \"kind\": \"preKey\", \"content\": \"QUJD\"}}".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        (1..200_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ];
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\": {value}"));
    vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(", ")))
}

fn name() -> impl Strategy<Value = AccountName> {
    "[a-z0-9][a-z0-9._-]{0,63}".prop_map(|name| name.parse().unwrap())
}

fn address() -> impl Strategy<Value = Address> {
    (name(), "[a-z0-9]{1,20}(\\.[a-z]([a-z0-9-]{0,10}[a-z0-9])?){0,3}(:[1-9][0-9]{0,3})?")
        .prop_map(|(name, server)| Address { name, server: server.parse().unwrap() })
}

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn device() -> impl Strategy<Value = DeviceId> {
    (1..=127_u64).prop_map(|number| number.try_into().unwrap())
}

fn receiver() -> impl Strategy<Value = Receiver> {
    prop_oneof![name().prop_map(Receiver::Name), address().prop_map(Receiver::Address), id().prop_map(Receiver::Id)]
}

fn kind() -> impl Strategy<Value = CipherKind> {
    prop_oneof![Just(CipherKind::PreKey), Just(CipherKind::Message)]
}

fn content() -> impl Strategy<Value = Content> {
    vec(any::<u8>(), 0..500).prop_map(|bytes| Content::encode(&bytes))
}

fn contents() -> impl Strategy<Value = MessageContent> {
    let one = (any::<u32>(), kind(), content()).prop_map(|(registration_id, kind, content)| DeviceContent {
        registration_id,
        kind,
        content,
    });
    prop_oneof![
        (option::of(kind()), content()).prop_map(|(kind, content)| MessageContent::Lone { kind, content }),
        vec((device(), one), 1..5)
            .prop_map(|contents| MessageContent::PerDevice(contents.into_iter().collect::<BTreeMap<_, _>>())),
    ]
}

fn frame() -> impl Strategy<Value = ClientFrame> {
    let message = (option::of(id()), receiver(), contents())
        .prop_map(|(id, receiver, content)| ClientFrame::Message(MessageFrame { id, receiver, content }));
    let said = prop_oneof![Just(State::Received), Just(State::Read), Just(State::Undeliverable)];
    let code = option::of(prop_oneof![Just(Code::Undecryptable), Just(Code::Refused)]);
    let status = (vec(id(), 1..=MESSAGE_IDS_MAX), said, receiver(), device(), code).prop_map(
        |(message_ids, state, receiver, sender_device, code)| {
            ClientFrame::Status(StatusFrame { message_ids, state, receiver, sender_device, code })
        },
    );
    let told = prop_oneof![Just(State::Sent), Just(State::Received), Just(State::Read), Just(State::Undeliverable)];
    let ack = (vec(id(), 1..=MESSAGE_IDS_MAX), told)
        .prop_map(|(message_ids, state)| ClientFrame::StatusAck(StatusAck { message_ids, state }));
    prop_oneof![message, status, ack]
}

proptest! {
    #[test]
    fn any_text_is_a_frame_or_an_error(text in any::<String>()) {
        let _ = ClientFrame::parse(&text);
        let _ = serde_json::from_str::<ServerFrame>(&text);
    }

    #[test]
    fn anything_like_a_frame_is_one_or_an_error(text in json_like()) {
        if let Err(error) = ClientFrame::parse(&text) {
            prop_assert!(!error.error.is_empty());
        }
        let _ = serde_json::from_str::<ServerFrame>(&text);
        let _ = serde_json::from_str::<KeyUpload>(&text);
    }

    #[test]
    fn a_frame_comes_back_as_it_went_out(frame in frame()) {
        prop_assert_eq!(ClientFrame::parse(&frame.to_json()), Ok(frame));
    }

    #[test]
    fn any_name_is_one_or_an_error(text in any::<String>()) {
        if let Ok(name) = text.parse::<AccountName>() {
            prop_assert_eq!(name.to_string(), text.to_ascii_lowercase());
        }
        if let Ok(server) = text.parse::<ServerName>() {
            prop_assert_eq!(server.as_str(), text.as_str());
        }
        let _ = text.parse::<Address>();
        let _ = text.parse::<DeviceId>();
    }

    #[test]
    fn an_address_comes_back_as_it_went_out(address in address()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn a_time_comes_back_as_it_went_out(millis in any::<i64>(), text in any::<String>()) {
        let at = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::try_from(at.to_string()), Ok(at));
        let _ = Timestamp::try_from(text);
    }

    #[test]
    fn any_plaintext_is_a_payload_or_an_error(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Payload::from_plaintext(&bytes);
        let _ = Payload::from_plaintext(&pad(bytes.clone()));
        let padded = pad(bytes.clone());
        prop_assert_eq!(unpad(&padded), Ok(bytes.as_slice()));
    }

    #[test]
    fn a_payload_comes_back_as_it_went_out(id in id(), from in address(), to in address(), text in any::<String>()) {
        let payload = Payload::text(id, from, to, Timestamp::from_millis(0), text);
        let plaintext = payload.to_plaintext();
        prop_assert_eq!(plaintext.len() % missive_wire::PADDING_BLOCK, 0);
        prop_assert_eq!(Payload::from_plaintext(&plaintext), Ok(payload));
    }

    #[test]
    fn any_text_is_content_or_an_error(text in any::<String>(), bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(content) = Content::try_from(text.clone()) {
            let again = Content::encode(&content.decode());
            prop_assert_eq!(again.as_str(), text);
        }
        prop_assert_eq!(Content::encode(&bytes).decode(), bytes);
    }
}

#[test]
fn the_longest_content_passes_and_one_more_does_not() {
    let frame = |length| format!("{{\"receiver\": \"bob\", \"content\": \"{}\"}}", "A".repeat(length));
    assert!(ClientFrame::parse(&frame(CONTENT_MAX_CHARS)).is_ok());
    assert_eq!(ClientFrame::parse(&frame(CONTENT_MAX_CHARS + 4)).unwrap_err().code, Code::TooLarge);
}

#[test]
fn padding_ends_a_content_and_nothing_else() {
    const GROUPS: usize = 600;
    let padded_at = |group: usize| {
        let mut text = "AAAA".repeat(GROUPS);
        text.replace_range(4 * group..4 * group + 4, "QQ==");
        Content::try_from(text)
    };
    assert!(padded_at(GROUPS - 1).is_ok());
    // Also where a reader that goes part by part would begin anew.
    assert!((0..GROUPS - 1).all(|group| padded_at(group).is_err()));
}

#[test]
fn a_content_is_a_part_of_its_frame_unless_it_has_escapes() {
    let read = |text: &'static str| {
        let frame = bytes::Bytes::from_static(text.as_bytes());
        let Ok(ClientFrame::Message(message)) = ClientFrame::read(&frame) else { panic!("not a message") };
        let content = message.content.ciphertexts().next().unwrap().clone();
        let is_part = frame.as_ptr_range().contains(&content.as_str().as_ptr());
        (content.as_str().to_owned(), is_part)
    };
    assert_eq!(read(r#"{"receiver": "bob", "content": "QUJD/+9B"}"#), ("QUJD/+9B".into(), true));
    assert_eq!(read(r#"{"receiver": "bob", "content": "QUJD\/+9B"}"#), ("QUJD/+9B".into(), false));
    let several =
        r#"{"receiver": "bob", "contents": {"2": {"registrationId": 7, "kind": "message", "content": "QUJD"}}}"#;
    assert_eq!(read(several), ("QUJD".into(), true));
}
