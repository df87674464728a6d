//! Headers and documents of strangers: whatever they are, nothing panics, and nothing is accepted that was not signed.

use std::fmt::Write as _;

use homeserver::peers::{
    json,
    signature::{HEADER_MAX_BYTES, Input, Message, RequestClaim, SignatureError},
    trust::KeyDocument,
};
use http::HeaderValue;
use missive_wire::{ServerDocument, ServerKeys};
use proptest::prelude::*;

use super::signatures::{at, key, signed_at};

const NOW: i64 = 1_772_366_400;
const HEADERS: [&str; 5] = ["signature-input", "signature", "content-digest", "missive-origin", "missive-destination"];

/// Text with the letters that the headers are made of, so that some of it parses.
fn text() -> impl Strategy<Value = String> {
    "[a-c*@;=,:()\"\\\\?0-9. \\-\t\u{e4}]{0,60}"
}

/// The header, altered at a random place.
fn mutated(value: &str, place: usize, insert: &str, delete: usize) -> String {
    let start = place % (value.len() + 1);
    let end = (start + delete).min(value.len());
    format!("{}{insert}{}", &value[..start], &value[end..])
}

proptest! {
    #[test]
    fn random_headers_never_pass(which in 0..HEADERS.len(), value in text()) {
        let mut request = signed_at(NOW, 1);
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers.insert(HEADERS[which], value);
            let outcome = RequestClaim::read(&request.head(), at(NOW)).and_then(|claim| claim.verify(&key(1).verifying_key()));
            prop_assert!(outcome.is_err());
        }
    }

    #[test]
    fn random_bytes_never_panic(which in 0..HEADERS.len(), value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut request = signed_at(NOW, 1);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.headers.append(HEADERS[which], value);
            let _ = RequestClaim::read(&request.head(), at(NOW));
        }
    }

    /// What still passes after a change is the same request: white space, or another signature beside it.
    #[test]
    fn altered_headers_pass_only_with_the_same_meaning(
        which in 0..HEADERS.len(), place in any::<usize>(), insert in "[a-z\";=, ()0-9]{0,3}", delete in 0_usize..3,
    ) {
        let mut request = signed_at(NOW, 1);
        let before = RequestClaim::read(&request.head(), at(NOW)).unwrap().verify(&key(1).verifying_key()).unwrap();
        let value = mutated(request.headers[HEADERS[which]].to_str().unwrap(), place, &insert, delete);
        request.headers.insert(HEADERS[which], HeaderValue::from_str(&value).unwrap());
        let outcome = RequestClaim::read(&request.head(), at(NOW)).and_then(|claim| claim.verify(&key(1).verifying_key()));
        if let Ok(after) = outcome {
            prop_assert_eq!(
                (after.origin, after.nonce, after.key_id, after.created, after.expires, after.digest),
                (before.origin, before.nonce, before.key_id, before.created, before.expires, before.digest)
            );
        }
    }

    #[test]
    fn inputs_are_stable(text in text()) {
        if let Ok(input) = Input::parse(&text) {
            prop_assert_eq!(Input::parse(&input.to_string()).unwrap().to_string(), input.to_string());
        }
    }

    #[test]
    fn documents_of_random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = json::read::<ServerDocument>(&body);
        let _ = json::read::<ServerKeys>(&body).map(KeyDocument::try_from);
    }
}

#[test]
fn the_size_of_signatures_is_bounded() {
    let error = |name: &'static str, value: String| {
        let mut request = signed_at(NOW, 1);
        request.headers.append(name, HeaderValue::from_str(&value).unwrap());
        RequestClaim::read(&request.head(), at(NOW)).unwrap_err()
    };
    for name in ["signature-input", "signature", "content-digest"] {
        assert_eq!(error(name, format!("a=\"{}\"", "a".repeat(HEADER_MAX_BYTES))), SignatureError::TooLarge(name));
        let mut many = String::from("m0");
        for index in 1..60 {
            write!(many, ", m{index}").unwrap();
        }
        assert_eq!(error(name, many), SignatureError::TooMany(name));
    }
    let components = (0..40).map(|index| format!("\"h{index}\"")).collect::<Vec<_>>().join(" ");
    assert_eq!(Input::parse(&format!("({components})")).unwrap_err(), SignatureError::TooMany("signature-input"));
    let members =
        |count: usize| (0..count).map(|index| format!("\"a\";key=\"k{index}\"")).collect::<Vec<_>>().join(" ");
    Input::parse(&format!("({})", members(4))).unwrap();
    let error = Input::parse(&format!("({})", members(5))).unwrap_err();
    assert_eq!((error.code(), error), ("signature_too_large", SignatureError::TooManyCoveredMembers));
    let twice = Input::parse("(\"a\" \"b\";key=\"x\";req \"b\";req;key=\"x\")").unwrap_err();
    assert_eq!(twice, SignatureError::DuplicateComponent("\"b\";req;key=\"x\"".to_owned()));
}

/// A member is read only out of a header of some size, and no text repeats all of what came.
#[test]
fn what_is_covered_is_bounded() {
    let mut request = signed_at(NOW, 1);
    request.headers.insert("long", HeaderValue::from_str(&format!("a=1, b=\"{}\"", "b".repeat(9_000))).unwrap());
    let message = Message::Request(request.head());
    Input::parse("(\"long\")").unwrap().base(&message).unwrap();
    let error = Input::parse("(\"long\";key=\"a\")").unwrap().base(&message).unwrap_err();
    assert_eq!(
        (error.code(), error),
        ("signature_too_large", SignatureError::LargeComponent("\"long\";key=\"a\"".into()))
    );
    let mut request = signed_at(NOW, 1);
    request.headers.insert("missive-destination", HeaderValue::from_str(&"x".repeat(9_000)).unwrap());
    let error = RequestClaim::read(&request.head(), at(NOW)).unwrap_err();
    assert!(error.code() == "wrong_destination" && error.to_string().len() < 200, "{error}");
}

#[test]
fn deep_json_is_refused_wherever_it_is() {
    let nested = |depth: usize| format!("{{\"later\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    json::read::<ServerKeys>(nested(15).as_bytes()).unwrap();
    assert_eq!(json::read::<ServerKeys>(nested(16).as_bytes()).unwrap_err(), json::JsonError::TooDeep);
    assert_eq!(json::read::<ServerKeys>("[".repeat(500_000).as_bytes()).unwrap_err(), json::JsonError::TooDeep);
    // Brackets in strings are none.
    json::read::<ServerKeys>(format!("{{\"later\":\"\\\"{}\"}}", "[".repeat(100)).as_bytes()).unwrap();
}
