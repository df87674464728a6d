//! How much is looked at of a server of which nothing is known: each statement costs the check of a signature, and whoever
//! makes a name up may publish as many as fit.

use std::collections::BTreeMap;

use missive_wire::SIGNED_BY_RECOVERY;

use super::{FirstKeysError, KeyDocument};

/// The most statements that published keys and the recovery key lead to, and the most revocations. Of a server that has
/// had many keys, all statements but the last few rest on keys that it no longer publishes: these are not followed.
pub(super) const FIRST_MAX: usize = 64;

/// Refuses what would take too much work.
pub(super) fn check(document: &KeyDocument) -> Result<(), FirstKeysError> {
    for (count, what) in [(followed(document), "rotations"), (document.revocations.len(), "revocations")] {
        if count > FIRST_MAX {
            return Err(FirstKeysError::TooMany { what });
        }
    }
    Ok(())
}

/// How many statements may have to be checked.
fn followed(document: &KeyDocument) -> usize {
    let mut by_signer: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for statement in &document.statements {
        by_signer.entry(statement.signed_by.as_str()).or_default().push(&statement.entry.key_id);
    }
    let published = document.keys.iter().map(|entry| entry.key_id.as_str());
    let mut signers: Vec<&str> = published.chain([SIGNED_BY_RECOVERY]).collect();
    let mut followed = 0;
    while let Some(signer) = signers.pop() {
        let successors = by_signer.remove(signer).unwrap_or_default();
        followed += successors.len();
        signers.extend(successors);
    }
    followed
}
