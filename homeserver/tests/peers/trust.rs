//! Pinned keys, rotation, recovery and revocation, case by case.

use std::slice::from_ref;

use ed25519_dalek::{Signer as _, SigningKey};
use homeserver::{
    model::PinnedKeys,
    peers::trust::{
        Change, Entry, FirstKeysError, KeyDocument, KeyError, Revoked, Signer, Statement, Verdict, first, judge, key,
        revocation_lines, rotation_lines,
    },
};
use missive_wire::{ServerName, Timestamp};

pub(super) const DAY: i64 = 24 * 60 * 60 * 1_000;
pub(super) const START: i64 = 1_772_366_400_000;

pub(super) fn day(days: i64) -> Timestamp {
    Timestamp::from_millis(START + days * DAY)
}

pub(super) fn name() -> ServerName {
    "two.example".parse().unwrap()
}

pub(super) fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The key of that seed, valid for 100 days from that day on.
pub(super) fn entry(seed: u8, from: i64) -> Entry {
    Entry {
        key_id: format!("k{seed}"),
        public_key: secret(seed).verifying_key().to_bytes(),
        valid_from: day(from),
        valid_until: day(from + 100),
    }
}

/// The key `by` vouches for an entry.
pub(super) fn vouch(by: u8, entry: &Entry) -> Statement {
    let signed_by = Signer::Key(format!("k{by}"));
    let signature = secret(by).sign(rotation_lines(&name(), signed_by.as_str(), entry).as_bytes()).to_bytes();
    Statement { entry: entry.clone(), signed_by, signature }
}

/// The recovery key of that seed vouches for an entry.
pub(super) fn recover(by: u8, entry: &Entry) -> Statement {
    let signature = secret(by).sign(rotation_lines(&name(), "recovery", entry).as_bytes()).to_bytes();
    Statement { entry: entry.clone(), signed_by: Signer::Recovery, signature }
}

pub(super) fn revoke(by: u8, seed: u8) -> Revoked {
    let (key_id, revoked_at) = (format!("k{seed}"), day(1));
    let signature = secret(by).sign(revocation_lines(&name(), &key_id, revoked_at).as_bytes()).to_bytes();
    Revoked { key_id, revoked_at, signature }
}

pub(super) const RECOVERY: u8 = 200;

pub(super) fn document(keys: &[Entry], statements: &[Statement]) -> KeyDocument {
    KeyDocument {
        keys: keys.to_vec(),
        statements: statements.to_vec(),
        revocations: Vec::new(),
        recovery_key: Some(secret(RECOVERY).verifying_key().to_bytes()),
    }
}

/// What a peer has pinned that met `k1` on day 0.
fn pinned() -> PinnedKeys {
    first(&name(), &document(&[entry(1, 0)], &[]), day(0)).unwrap()
}

#[track_caller]
fn trusted(verdict: Verdict) -> PinnedKeys {
    match verdict {
        Verdict::Trusted(pinned) => pinned,
        Verdict::Unexplained { changes, .. } => panic!("unexplained: {changes:?}"),
    }
}

#[track_caller]
fn unexplained(verdict: Verdict) -> (PinnedKeys, Vec<Change>) {
    match verdict {
        Verdict::Trusted(pinned) => panic!("trusted: {:?}", pinned.keys.keys()),
        Verdict::Unexplained { trusted, changes } => (trusted, changes),
    }
}

pub(super) fn id(seed: u8) -> String {
    format!("k{seed}")
}

fn verifies(pinned: &PinnedKeys, seed: u8, at: i64) -> Result<(), KeyError> {
    key(pinned, &id(seed), day(at)).map(|key| assert_eq!(key, secret(seed).verifying_key()))
}

#[test]
fn the_first_keys_are_pinned_with_the_recovery_key() {
    let pinned = pinned();
    assert_eq!(verifies(&pinned, 1, 0), Ok(()));
    assert_eq!(verifies(&pinned, 1, 99), Ok(()));
    assert_eq!(verifies(&pinned, 1, 100), Err(KeyError::Ended));
    assert_eq!(verifies(&pinned, 1, -1), Err(KeyError::NotYetValid));
    assert_eq!(verifies(&pinned, 2, 0), Err(KeyError::Unknown));
    assert_eq!(pinned.recovery_key, Some(secret(RECOVERY).verifying_key().to_bytes()));
    assert_eq!(first(&name(), &document(&[], &[]), day(0)), Err(FirstKeysError::NoKeys));
}

#[test]
fn a_clock_that_is_a_minute_behind_signs_with_a_new_key() {
    let from = |seconds: i64| key(&pinned(), "k1", Timestamp::from_millis(START - seconds * 1_000)).map(drop);
    assert_eq!((from(60), from(61)), (Ok(()), Err(KeyError::NotYetValid)));
}

#[test]
fn the_lines_are_those_of_the_protocol() {
    let entry = Entry { public_key: [0xfb; 32], ..entry(2, 0) };
    assert_eq!(
        rotation_lines(&name(), "k1", &entry),
        "missive-key-rotation\ntwo.example\nk1\nk2\n+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=\n2026-03-01T12:00:00.000Z\n\
         2026-06-09T12:00:00.000Z"
    );
    assert_eq!(
        revocation_lines(&name(), "k1", day(0)),
        "missive-key-revocation\ntwo.example\nk1\n2026-03-01T12:00:00.000Z"
    );
}

#[test]
fn a_chain_is_followed_in_any_order_and_over_keys_that_have_ended() {
    let keys = [entry(4, 150)];
    let mut statements = vec![vouch(1, &entry(2, 50)), vouch(2, &entry(3, 100)), vouch(3, &entry(4, 150))];
    for _ in 0..2 {
        let pinned = trusted(judge(&name(), &pinned(), &document(&keys, &statements), day(160)));
        assert_eq!(verifies(&pinned, 4, 160), Ok(()));
        assert_eq!(verifies(&pinned, 1, 160), Err(KeyError::Ended));
        // Judging the same again changes nothing.
        assert_eq!(trusted(judge(&name(), &pinned, &document(&keys, &statements), day(160))), pinned);
        statements.reverse();
    }
    // A gap in the chain explains nothing.
    let (pinned, changes) = unexplained(judge(&name(), &pinned(), &document(&keys, &statements[..2]), day(160)));
    assert_eq!(changes, [Change::UnknownKey { key_id: id(4) }]);
    assert_eq!(verifies(&pinned, 4, 160), Err(KeyError::Unknown));
}

#[test]
fn a_key_that_nobody_vouches_for_is_kept_aside_and_the_old_one_stays() {
    let (pinned, changes) = unexplained(judge(&name(), &pinned(), &document(&[entry(2, 1)], &[]), day(2)));
    assert_eq!(changes, [Change::UnknownKey { key_id: id(2) }]);
    assert_eq!((verifies(&pinned, 1, 2), verifies(&pinned, 2, 2)), (Ok(()), Err(KeyError::Unknown)));
    // An admin accepts it.
    let accepted = first(&name(), &document(&[entry(2, 1)], &[]), day(2)).unwrap();
    assert_eq!((verifies(&accepted, 1, 2), verifies(&accepted, 2, 2)), (Err(KeyError::Unknown), Ok(())));
}

#[test]
fn the_signer_must_have_been_valid_when_the_key_begins() {
    for (from, good) in [(-1, false), (0, true), (100, true), (101, false)] {
        let verdict = judge(&name(), &pinned(), &document(&[], &[vouch(1, &entry(2, from))]), day(50));
        if good {
            assert!(trusted(verdict).keys.contains_key("k2"));
        } else {
            let (pinned, changes) = unexplained(verdict);
            assert_eq!(changes, [Change::SignerNotValid { signed_by: id(1), key_id: id(2) }]);
            assert!(!pinned.keys.contains_key("k2"));
        }
    }
}

#[test]
fn a_statement_counts_for_its_server_and_as_it_was_signed() {
    let good = vouch(1, &entry(2, 1));
    let mut altered = vec![
        Statement { entry: Entry { key_id: "k9".into(), ..good.entry.clone() }, ..good.clone() },
        Statement { entry: Entry { public_key: entry(9, 0).public_key, ..good.entry.clone() }, ..good.clone() },
        Statement { entry: Entry { valid_from: day(2), ..good.entry.clone() }, ..good.clone() },
        Statement { entry: Entry { valid_until: day(999), ..good.entry.clone() }, ..good.clone() },
        Statement { signature: vouch(9, &entry(2, 1)).signature, ..good.clone() },
        Statement { signature: recover(RECOVERY, &entry(2, 1)).signature, ..good.clone() },
    ];
    let other_server: ServerName = "three.example".parse().unwrap();
    let lines = rotation_lines(&other_server, "k1", &good.entry);
    altered.push(Statement { signature: secret(1).sign(lines.as_bytes()).to_bytes(), ..good });
    for statement in altered {
        let (pinned, changes) = unexplained(judge(&name(), &pinned(), &document(&[], from_ref(&statement)), day(2)));
        let key_id = statement.entry.key_id;
        assert_eq!(changes, [Change::WrongSignature { signed_by: id(1), key_id }]);
        assert_eq!(pinned.keys.len(), 1);
    }
}

#[test]
fn a_key_has_one_successor_ever() {
    let second = |verdict| {
        let (pinned, changes) = unexplained(verdict);
        assert!(changes.contains(&Change::SecondSuccessor { signed_by: id(1), key_id: id(3) }), "{changes:?}");
        assert!(!pinned.keys.contains_key("k3"));
        pinned
    };
    let with_two = trusted(judge(&name(), &pinned(), &document(&[], &[vouch(1, &entry(2, 1))]), day(2)));
    let after = second(judge(&name(), &with_two, &document(&[], &[vouch(1, &entry(3, 1))]), day(2)));
    assert_eq!(after, with_two);
    let both = [vouch(1, &entry(3, 1)), vouch(1, &entry(2, 1))];
    assert_eq!(second(judge(&name(), &with_two, &document(&[], &both), day(2))), with_two);
    // Two that come together are both refused.
    let neither = second(judge(&name(), &pinned(), &document(&[], &both), day(2)));
    assert!(!neither.keys.contains_key("k2"));
    assert_eq!(neither, pinned());
    // The same statement twice is one.
    let twice = [vouch(1, &entry(2, 1)), vouch(1, &entry(2, 1))];
    assert_eq!(trusted(judge(&name(), &pinned(), &document(&[], &twice), day(2))), with_two);
    // Keys that were met together have their order from the statements then.
    let met = first(&name(), &document(&[entry(1, 0), entry(2, 1)], &twice), day(2)).unwrap();
    second(judge(&name(), &met, &document(&[], &[vouch(1, &entry(3, 1))]), day(2)));
}

#[test]
fn another_key_under_a_known_id_is_unexplained() {
    let impostor = Entry { public_key: entry(9, 0).public_key, ..entry(1, 0) };
    let (after, changes) = unexplained(judge(&name(), &pinned(), &document(from_ref(&impostor), &[]), day(2)));
    assert_eq!(changes, [Change::OtherKey { key_id: id(1) }]);
    assert_eq!(after, pinned());
    // Not even the recovery-less chain may bring a known id back.
    let statements = [vouch(1, &entry(2, 1)), vouch(2, &Entry { valid_from: day(2), ..impostor })];
    let (after, changes) = unexplained(judge(&name(), &pinned(), &document(&[], &statements), day(3)));
    assert_eq!(changes, [Change::SignerNotValid { signed_by: id(2), key_id: id(1) }]);
    assert_eq!(verifies(&after, 1, 3), Ok(()));
}

#[test]
fn a_key_may_end_sooner_and_not_later() {
    let shorter = Entry { valid_until: day(5), ..entry(1, 0) };
    let after = trusted(judge(&name(), &pinned(), &document(&[shorter], &[]), day(2)));
    assert_eq!((verifies(&after, 1, 4), verifies(&after, 1, 5)), (Ok(()), Err(KeyError::Ended)));
    let longer = Entry { valid_until: day(500), ..entry(1, 0) };
    let (after, changes) = unexplained(judge(&name(), &after, &document(&[longer], &[]), day(2)));
    assert_eq!(changes, [Change::Prolonged { key_id: id(1) }]);
    assert_eq!((verifies(&after, 1, 99), verifies(&after, 1, 100)), (Ok(()), Err(KeyError::Ended)));
}

fn revoked(statements: &[Statement], keys: &[Entry], by: u8, seed: u8) -> KeyDocument {
    KeyDocument { revocations: vec![revoke(by, seed)], ..document(keys, statements) }
}

#[test]
fn a_revoked_key_signs_nothing_not_even_its_successor() {
    let after = trusted(judge(&name(), &pinned(), &revoked(&[], &[], RECOVERY, 1), day(2)));
    assert_eq!(verifies(&after, 1, 2), Err(KeyError::Revoked));
    let verdict = judge(&name(), &after, &document(&[entry(2, 1)], &[vouch(1, &entry(2, 1))]), day(2));
    let (after, changes) = unexplained(verdict);
    assert_eq!(changes, [Change::UnknownKey { key_id: id(2) }]);
    assert_eq!(verifies(&after, 2, 2), Err(KeyError::Unknown));

    // What was trusted through it no longer is, either; and what rests on that.
    let chain = [vouch(1, &entry(2, 1)), vouch(2, &entry(3, 2))];
    let three = trusted(judge(&name(), &pinned(), &document(&[], &chain), day(3)));
    let after = trusted(judge(&name(), &three, &revoked(&chain, &[entry(3, 2)], RECOVERY, 1), day(3)));
    let gone = Err(KeyError::Revoked);
    assert_eq!([1, 2, 3].map(|seed| verifies(&after, seed, 3)), [gone, gone, gone]);
    // A revoked middle leaves its signer.
    let after = trusted(judge(&name(), &three, &revoked(&chain, &[entry(1, 0)], RECOVERY, 2), day(3)));
    assert_eq!([1, 2, 3].map(|seed| verifies(&after, seed, 3)), [Ok(()), gone, gone]);
}

#[test]
fn only_the_pinned_recovery_key_revokes() {
    for by in [1, 9] {
        let (after, changes) = unexplained(judge(&name(), &pinned(), &revoked(&[], &[], by, 1), day(2)));
        assert_eq!(changes, [Change::UnprovenRevocation { key_id: id(1) }]);
        assert_eq!(verifies(&after, 1, 2), Ok(()));
    }
    // Nor one that appears or changes later.
    let other = KeyDocument {
        recovery_key: Some(secret(9).verifying_key().to_bytes()),
        ..revoked(&[recover(9, &entry(3, 1))], &[], 9, 1)
    };
    let (after, changes) = unexplained(judge(&name(), &pinned(), &other, day(2)));
    let unproven = Change::UnprovenRevocation { key_id: id(1) };
    let wrong = Change::WrongSignature { signed_by: "recovery".into(), key_id: id(3) };
    assert_eq!(changes, [Change::RecoveryKeyChanged, unproven.clone(), wrong]);
    assert_eq!(after, pinned());

    let none = PinnedKeys { recovery_key: None, ..pinned() };
    let (after, changes) = unexplained(judge(&name(), &none, &other, day(2)));
    assert_eq!(changes, [Change::RecoveryKeyAdded, unproven, Change::UnknownRecoveryKey { key_id: id(3) }]);
    assert_eq!(after, none);
}

#[test]
fn a_recovery_statement_puts_its_key_in_place_of_all() {
    let chain = [vouch(1, &entry(2, 1))];
    let before = trusted(judge(&name(), &pinned(), &document(&[], &chain), day(2)));
    let statements = [vouch(1, &entry(2, 1)), recover(RECOVERY, &entry(5, 3)), vouch(5, &entry(6, 4))];
    // The old keys may still be published.
    let document = |statements: &[Statement]| document(&[entry(1, 0), entry(2, 1), entry(5, 3)], statements);
    let after = trusted(judge(&name(), &before, &document(&statements), day(4)));
    let unknown = Err(KeyError::Unknown);
    assert_eq!([1, 2, 5, 6].map(|seed| verifies(&after, seed, 4)), [unknown, unknown, Ok(()), Ok(())]);
    assert_eq!(trusted(judge(&name(), &after, &document(&statements), day(4))), after);

    // A stolen old key, and an old document, bring nothing back.
    let stolen = [vouch(1, &entry(7, 4)), vouch(2, &entry(8, 4))];
    assert_eq!(trusted(judge(&name(), &after, &document(&stolen), day(5))), after);
    // An older recovery neither; a newer one does it again.
    let older = [recover(RECOVERY, &entry(7, 2))];
    assert_eq!(trusted(judge(&name(), &after, &document(&older), day(5))), after);
    let newer = [recover(RECOVERY, &entry(7, 5)), statements[1].clone()];
    let newest = trusted(judge(&name(), &after, &document(&newer), day(5)));
    assert_eq!([5, 6, 7].map(|seed| verifies(&newest, seed, 5)), [unknown, unknown, Ok(())]);
    // One that was met together with its key counts from the first day.
    let met = first(&name(), &document(&statements), day(4)).unwrap();
    assert_eq!([1, 2, 5, 6].map(|seed| verifies(&met, seed, 4)), [unknown, unknown, Ok(()), Ok(())]);
}

#[test]
fn a_recovery_counts_when_its_time_has_come() {
    let document = document(&[entry(1, 0), entry(5, 10)], &[recover(RECOVERY, &entry(5, 10))]);
    let before = trusted(judge(&name(), &pinned(), &document, day(2)));
    assert_eq!((verifies(&before, 1, 2), verifies(&before, 5, 10)), (Ok(()), Err(KeyError::Unknown)));
    let after = trusted(judge(&name(), &before, &document, day(10)));
    assert_eq!((verifies(&after, 1, 10), verifies(&after, 5, 10)), (Err(KeyError::Unknown), Ok(())));
}

#[test]
fn two_recoveries_of_one_moment_are_unexplained() {
    let both = [recover(RECOVERY, &entry(5, 3)), recover(RECOVERY, &entry(6, 3))];
    let (after, changes) = unexplained(judge(&name(), &pinned(), &document(&[], &both), day(4)));
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(after, pinned());
    let one = trusted(judge(&name(), &pinned(), &document(&[], &both[..1]), day(4)));
    let (after, changes) = unexplained(judge(&name(), &one, &document(&[], &both[1..]), day(4)));
    assert_eq!(changes, [Change::SecondRecovery { key_id: id(6) }]);
    assert_eq!(after, one);
}

#[test]
fn a_revoked_recovery_key_holder_is_replaced_by_the_next() {
    let one = trusted(judge(&name(), &pinned(), &document(&[], &[recover(RECOVERY, &entry(5, 3))]), day(4)));
    let statements = [recover(RECOVERY, &entry(5, 3)), recover(RECOVERY, &entry(6, 4))];
    let after = trusted(judge(&name(), &one, &revoked(&statements, &[], RECOVERY, 5), day(4)));
    assert_eq!((verifies(&after, 5, 4), verifies(&after, 6, 4)), (Err(KeyError::Revoked), Ok(())));
}

#[test]
fn a_first_document_that_contradicts_itself_is_not_pinned() {
    let both = [vouch(1, &entry(2, 1)), vouch(1, &entry(3, 1))];
    let met = first(&name(), &document(&[entry(1, 0)], &both), day(2));
    let Err(FirstKeysError::Contradiction(changes)) = met else { panic!("{met:?}") };
    assert_eq!(changes.len(), 2);
    // A circle is no chain.
    let circle = [vouch(1, &entry(2, 0)), vouch(2, &entry(1, 0))];
    assert!(first(&name(), &document(&[entry(1, 0), entry(2, 0)], &circle), day(2)).is_err());
}

#[test]
fn pinned_keys_survive_storage() {
    let chain = [vouch(1, &entry(2, 1)), recover(RECOVERY, &entry(5, 3))];
    let keys = trusted(judge(&name(), &pinned(), &revoked(&chain, &[], RECOVERY, 1), day(4)));
    let stored = serde_json::to_string(&keys).unwrap();
    assert_eq!(serde_json::from_str::<PinnedKeys>(&stored).unwrap(), keys);
}

/// Of a server that has long been there, only the last statements are followed; one that publishes more means harm.
#[test]
fn what_is_looked_at_first_is_bounded() {
    let met = |statements: &[Statement], revocations: Vec<Revoked>| {
        let document = KeyDocument { revocations, ..document(&[entry(200, 0)], statements) };
        first(&name(), &document, day(50)).map(|pinned| pinned.keys.len())
    };
    let rested: Vec<_> = (1..=199).map(|seed| vouch(seed, &entry(seed + 1, 0))).collect();
    assert_eq!(met(&rested, Vec::new()), Ok(1));
    let many = |by: u8| (1..=65).map(|seed| vouch(by, &entry(seed, 1))).collect::<Vec<_>>();
    let hostile = Err(FirstKeysError::TooMany { what: "rotations" });
    assert_eq!(met(&many(200), Vec::new()), hostile);
    assert_eq!(met(&[&[vouch(200, &entry(100, 1))], &many(100)[..]].concat(), Vec::new()), hostile);
    let recovered: Vec<_> = (1..=65).map(|seed| recover(RECOVERY, &entry(seed, 1))).collect();
    assert_eq!(met(&recovered, Vec::new()), hostile);
    let revoked = (1..=65).map(|seed| revoke(RECOVERY, seed)).collect();
    assert_eq!(met(&[], revoked), Err(FirstKeysError::TooMany { what: "revocations" }));
}
