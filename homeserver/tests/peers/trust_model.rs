//! Random histories of keys: an honest server is always followed, and one who lacks the right private keys is never
//! believed, whatever is published.

use std::collections::BTreeSet;

use homeserver::{
    model::PinnedKeys,
    peers::trust::{Entry, KeyDocument, Statement, Verdict, first, judge, key},
};
use proptest::prelude::*;

use super::trust::{RECOVERY, day, document, entry, name, recover, revoke, secret, vouch};

/// The honest keys are `k1` … `k9`, each begun 10 days after the one before; an attacker has `k100` … `k109` and more.
const HONEST: u8 = 9;

fn honest(seed: u8) -> Entry {
    entry(seed, i64::from(seed - 1) * 10)
}

/// What an honest server publishes when `k<newest>` is its newest key.
fn published(newest: u8) -> KeyDocument {
    let statements: Vec<Statement> = (2..=newest).map(|seed| vouch(seed - 1, &honest(seed))).collect();
    document(&[honest(newest)], &statements)
}

fn pins(verdict: Verdict) -> PinnedKeys {
    match verdict {
        Verdict::Trusted(pinned) | Verdict::Unexplained { trusted: pinned, .. } => pinned,
    }
}

fn judged(pinned: &PinnedKeys, document: &KeyDocument) -> PinnedKeys {
    pins(judge(&name(), pinned, document, day(95)))
}

/// One thing an attacker publishes who controls the web server, and so every unsigned byte, and holds the private keys of
/// `k100` and later.
#[derive(Debug, Clone)]
enum Forgery {
    Entry(u8, i64),
    Vouch(u8, u8, i64),
    Recover(u8, u8, i64),
    Revoke(u8, u8),
    /// An honest statement with another key in it.
    Swap(u8, u8),
    /// An honest statement with one bit turned.
    Flip(u8, usize, usize),
    RecoveryKey(u8),
    /// A genuine statement.
    Genuine(u8),
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let evil = || 100_u8..110;
    let any_key = || prop_oneof![1..=HONEST, 100_u8..110];
    prop_oneof![
        (any_key(), -10_i64..100).prop_map(|(seed, from)| Forgery::Entry(seed, from)),
        (any_key(), evil(), -10_i64..100).prop_map(|(by, seed, from)| Forgery::Vouch(by, seed, from)),
        (evil(), any_key(), -10_i64..100).prop_map(|(by, seed, from)| Forgery::Recover(by, seed, from)),
        (evil(), any_key()).prop_map(|(by, seed)| Forgery::Revoke(by, seed)),
        (2..=HONEST, evil()).prop_map(|(honest, evil)| Forgery::Swap(honest, evil)),
        (2..=HONEST, any::<usize>(), any::<usize>()).prop_map(|(seed, byte, bit)| Forgery::Flip(seed, byte, bit)),
        evil().prop_map(Forgery::RecoveryKey),
        (2..=HONEST).prop_map(Forgery::Genuine),
    ]
}

fn publish(document: &mut KeyDocument, forgery: &Forgery) {
    // A statement said to be by an honest key is signed by the attacker's: it holds no other.
    let forged = |by: u8, entry: &Entry| {
        let signature = vouch(by.max(100), entry).signature;
        Statement { signature, ..vouch(by, entry) }
    };
    match *forgery {
        Forgery::Entry(seed, from) => {
            document.keys.retain(|known| known.key_id != format!("k{seed}"));
            document.keys.push(entry(seed, from));
        }
        Forgery::Vouch(by, seed, from) => document.statements.push(forged(by, &entry(seed, from))),
        Forgery::Recover(by, seed, from) => document.statements.push(recover(by, &entry(seed, from))),
        Forgery::Revoke(by, seed) => document.revocations.push(revoke(by, seed)),
        Forgery::Swap(seed, evil) => {
            let genuine = vouch(seed - 1, &honest(seed));
            let entry = Entry { public_key: entry(evil, 0).public_key, ..genuine.entry };
            document.statements.push(Statement { entry, ..genuine });
        }
        Forgery::Flip(seed, byte, bit) => {
            let mut statement = vouch(seed - 1, &honest(seed));
            statement.signature[byte % 64] ^= 1 << (bit % 8);
            document.statements.push(statement);
        }
        Forgery::RecoveryKey(seed) => document.recovery_key = Some(secret(seed).verifying_key().to_bytes()),
        Forgery::Genuine(seed) => document.statements.push(vouch(seed - 1, &honest(seed))),
    }
}

fn ids(pinned: &PinnedKeys) -> BTreeSet<&str> {
    pinned.keys.keys().map(String::as_str).collect()
}

proptest! {
    /// Whatever documents were missed, and in whatever order statements stand.
    #[test]
    fn an_honest_server_is_followed(
        met in 1..=HONEST, seen in proptest::collection::vec(1..=HONEST, 0..4), turn in any::<u64>(),
    ) {
        let mut pinned = first(&name(), &published(met), day(95)).unwrap();
        let mut seen: Vec<u8> = seen.into_iter().filter(|newest| *newest >= met).chain([HONEST]).collect();
        seen.sort_unstable();
        for newest in seen {
            let mut document = published(newest);
            let turned = usize::try_from(turn % 97).unwrap() % document.statements.len().max(1);
            document.statements.rotate_left(turned);
            let verdict = judge(&name(), &pinned, &document, day(95));
            prop_assert!(matches!(&verdict, Verdict::Trusted(_)), "{:?}", verdict);
            pinned = pins(verdict);
            let (id, at) = (format!("k{newest}"), day(i64::from(newest) * 10));
            prop_assert!(key(&pinned, &id, at).is_ok());
        }
    }

    #[test]
    fn nobody_else_is_believed(
        newest in 1..=HONEST, steps in proptest::collection::vec(proptest::collection::vec(forgery(), 0..8), 1..4),
    ) {
        let mut pinned = first(&name(), &published(1), day(95)).unwrap();
        let recovery_key = pinned.recovery_key;
        for forgeries in steps {
            let mut document = published(newest);
            for forgery in &forgeries {
                publish(&mut document, forgery);
            }
            let before = pinned.clone();
            pinned = judged(&pinned, &document);
            // Only keys that the honest chain leads to, with their own public halves.
            for (id, pin) in &pinned.keys {
                let seed: u8 = id.trim_start_matches('k').parse().unwrap();
                prop_assert!(seed <= HONEST, "{} is trusted: {:?}", id, forgeries);
                prop_assert_eq!(pin.public_key, honest(seed).public_key);
                prop_assert!(pin.ends_at <= pin.valid_until && pin.valid_until == honest(seed).valid_until);
            }
            // Nothing that was trusted is lost, and nobody has revoked or recovered anything.
            prop_assert!(ids(&before).is_subset(&ids(&pinned)));
            prop_assert!(pinned.revoked.is_empty() && pinned.recovered_at.is_none());
            prop_assert_eq!(pinned.recovery_key, recovery_key);
            // A successor, once known, stays.
            for (signer, successor) in &before.successors {
                prop_assert_eq!(pinned.successors.get(signer), Some(successor));
            }
            prop_assert_eq!(judged(&pinned, &document), pinned.clone(), "judging twice changes something");
        }
    }

    /// The recovery key's word goes before whoever has stolen all other keys.
    #[test]
    fn the_recovery_key_has_the_last_word(
        stolen in proptest::collection::vec((1..=HONEST, 100_u8..110, 0_i64..95), 0..6), newest in 1..=HONEST,
    ) {
        let pinned = judged(&first(&name(), &published(1), day(95)).unwrap(), &published(newest));
        let mut document = published(newest);
        document.statements.extend(stolen.iter().map(|(by, seed, from)| vouch(*by, &entry(*seed, *from))));
        let hijacked = judged(&pinned, &document);
        let new = entry(50, 95);
        document.statements.push(recover(RECOVERY, &new));
        document.keys = vec![new];
        let recovered = judged(&hijacked, &document);
        prop_assert_eq!(ids(&recovered), BTreeSet::from(["k50"]));
        // And again, whatever of the old is published.
        prop_assert_eq!(judged(&recovered, &document), recovered);
    }
}
