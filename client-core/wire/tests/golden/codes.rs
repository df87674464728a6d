//! The codes, and that the prose names each of them.

use std::{collections::BTreeSet, fs, path::Path};

use missive_wire::Code;

const CODES: [&str; 36] = [
    "malformed",
    "unauthorized",
    "wrong_credentials",
    "token_expired",
    "session_ended",
    "missing_scope",
    "not_owner",
    "account_revoked",
    "not_found",
    "method_not_allowed",
    "name_taken",
    "registration_closed",
    "invite_required",
    "directory_closed",
    "weak_password",
    "key_id_reused",
    "no_keys",
    "invalid_key",
    "invalid_signature",
    "private_key",
    "identity_changed",
    "too_many_keys",
    "too_large",
    "device_mismatch",
    "receiver_gone",
    "undecryptable",
    "expired",
    "refused",
    "quota_exceeded",
    "after_failed",
    "unknown_server",
    "transaction_reused",
    "rate_limited",
    "locked_out",
    "unavailable",
    "internal",
];

#[test]
fn each_code_stands_on_the_wire_as_itself() {
    for text in CODES {
        assert_eq!(Code::parse(text).as_str(), text);
        assert_eq!(serde_json::to_string(&Code::parse(text)).unwrap(), format!("\"{text}\""));
    }
    assert_eq!(Code::parse("a_code_of_the_future"), Code::Refused);
}

#[test]
fn the_list_is_whole() {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/error.rs")).unwrap();
    let variants = source.lines().filter_map(|line| line.trim().strip_suffix("\",")?.split_once(" = \""));
    let defined: BTreeSet<_> = variants.map(|(_, text)| text).collect();
    assert_eq!(defined, BTreeSet::from(CODES));
}

#[test]
fn the_prose_has_a_row_for_each_code() {
    let prose = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let prose = fs::read_to_string(prose).unwrap();
    let rows: BTreeSet<_> = prose.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).collect();
    let named: BTreeSet<_> = rows.into_iter().map(|(code, _)| code).collect();
    let missing: Vec<_> = CODES.into_iter().filter(|code| !named.contains(code)).collect();
    assert!(missing.is_empty(), "docs/protocol.md says nothing of {missing:?}");
}
