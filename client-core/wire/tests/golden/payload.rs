//! Inside the ciphertext.

use missive_wire::{Body, PADDING_BLOCK, Payload, PayloadError, pad, unpad};
use serde_json::json;

use super::{ID, OTHER, alice, at, bob, pin};

#[test]
fn a_text_and_one_in_the_place_of_another() {
    let text = Payload::text(ID, alice(), bob(), at(), "Hello".into());
    let expected = json!({"v": 1, "id": ID, "sender": "alice@one.example", "receiver": "bob@two.example:8448",
        "sentAt": "2026-03-01T12:00:00.000Z", "body": {"text": "Hello"}});
    pin(&text, &expected);
    let again = Payload { replaces: Some(OTHER), ..text };
    let mut expected = expected;
    expected["replaces"] = json!(OTHER);
    pin(&again, &expected);
}

#[test]
fn a_body_of_an_unknown_kind_has_no_text() {
    let later = json!({"v": 1, "id": ID, "sender": "alice@one.example", "receiver": "bob@two.example:8448",
        "sentAt": "2026-03-01T12:00:00.000Z", "body": {"picture": "…"}});
    let payload = Payload::from_plaintext(&pad(later.to_string().into_bytes())).unwrap();
    assert!(payload.body == Body { text: None });
}

#[test]
fn padding_is_a_0x80_byte_and_zeros_to_a_block() {
    for (length, blocks) in [(0, 1), (1, 1), (PADDING_BLOCK - 1, 1), (PADDING_BLOCK, 2)] {
        let padded = pad(vec![7; length]);
        assert_eq!(padded.len(), blocks * PADDING_BLOCK);
        assert_eq!(padded[length], 0x80);
        assert!(padded[length + 1..].iter().all(|&byte| byte == 0));
        assert_eq!(unpad(&padded).unwrap(), vec![7; length]);
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    assert_eq!(unpad(&[]), Err(PayloadError::Padding));
    assert_eq!(unpad(&[0; 160]), Err(PayloadError::Padding));
    assert_eq!(unpad(&[1, 2, 3]), Err(PayloadError::Padding));
    let read = |json: &str| Payload::from_plaintext(&pad(json.as_bytes().to_vec())).err();
    assert_eq!(read("no JSON"), Some(PayloadError::Malformed));
    assert_eq!(read("{\"v\": 1}"), Some(PayloadError::Malformed));
    assert_eq!(read("{\"v\": 2, \"anything\": []}"), Some(PayloadError::Version(2)));
}

#[test]
fn nothing_of_a_text_is_printed() {
    let text = Payload::text(ID, alice(), bob(), at(), "between us".into());
    let printed = format!("{text:?} {:?}", text.body);
    assert!(!printed.contains("between us") && !printed.contains("alice") && !printed.contains("bob"));
}

/// Whoever writes a client has nothing else to compare with.
#[test]
fn the_example_for_those_who_write_clients_is_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/clients.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().map(str::trim_start);
    let json: String = lines.clone().skip_while(|line| !line.starts_with("{\"v\":1,")).take(2).collect();
    let payload: Payload = serde_json::from_str(&json).unwrap();
    let padded = payload.to_plaintext();
    assert_eq!((json.len(), padded.len()), (176, 320));
    assert!(padded == pad(json.into_bytes()), "the members are in the order of the example");
    let shown = lines.filter_map(|line| line.split_once("  ")).filter(|(offset, _)| ["128", "160"].contains(offset));
    let groups = shown.flat_map(|(_, bytes)| bytes.split(' ').map(|group| u32::from_str_radix(group, 16).unwrap()));
    assert_eq!(groups.flat_map(u32::to_be_bytes).collect::<Vec<_>>(), padded[128..192]);
    assert!(padded[192..].iter().all(|&byte| byte == 0));
}
