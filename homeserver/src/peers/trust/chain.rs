//! Chains of statements: from a trusted key to the one after it, and so on.

use std::collections::{BTreeMap, BTreeSet};

use missive_wire::ServerName;

use super::{Change, Entry, KeyDocument, PINNED_MAX, Signer, Statement, pin};
use crate::model::PinnedKeys;

/// Follows the statements from every trusted key as far as they lead.
pub(super) fn extend(server: &ServerName, trusted: &mut PinnedKeys, document: &KeyDocument, changes: &mut Vec<Change>) {
    let mut by_signer: BTreeMap<&str, Vec<&Statement>> = BTreeMap::new();
    for statement in &document.statements {
        if let Signer::Key(id) = &statement.signed_by {
            by_signer.entry(id).or_default().push(statement);
        }
    }
    let mut counting = counting(trusted);
    let mut signers: Vec<String> = counting.iter().cloned().collect();
    while let Some(signer) = signers.pop() {
        if let Some(statements) = by_signer.remove(signer.as_str())
            && let Some(next) = follow(server, trusted, &signer, &statements, changes)
        {
            // A key that is trusted now may vouch for the next.
            signers.extend(count_from(&next, trusted, &mut counting));
        }
    }
}

/// Whether a key counts: it is not revoked, and where its trust came through statements, one of their signers counts.
pub(super) fn counts(pinned: &PinnedKeys, key_id: &str) -> bool {
    pinned.revoked.is_empty() || counting(pinned).contains(key_id)
}

/// The keys that count: those that no statement vouched for, because they were pinned, and what they lead to past no
/// revoked key.
fn counting(pinned: &PinnedKeys) -> BTreeSet<String> {
    let vouched: BTreeSet<&String> = pinned.successors.values().collect();
    let mut counting = BTreeSet::new();
    for first in pinned.keys.keys().filter(|id| !vouched.contains(id)) {
        count_from(first, pinned, &mut counting);
    }
    counting
}

/// Adds a key and those after it, as far as they do not count yet and none is revoked. Gives those that were added.
fn count_from(key_id: &str, pinned: &PinnedKeys, counting: &mut BTreeSet<String>) -> Vec<String> {
    let mut added = Vec::new();
    let mut next = Some(key_id);
    while let Some(id) = next.filter(|id| !pinned.revoked.contains(*id))
        && counting.insert(id.to_owned())
    {
        added.push(id.to_owned());
        next = pinned.successors.get(id).map(String::as_str);
    }
    added
}

/// Takes over the one successor of a trusted signer, and gives its id.
fn follow(
    server: &ServerName,
    trusted: &mut PinnedKeys,
    signer: &str,
    statements: &[&Statement],
    changes: &mut Vec<Change>,
) -> Option<String> {
    let key = trusted.keys.get(signer)?.public_key;
    let about = |statement: &Statement| (signer.to_owned(), statement.entry.key_id.clone());
    let mut genuine: Vec<&Statement> = Vec::new();
    for statement in statements {
        let (signed_by, key_id) = about(statement);
        if is_known(trusted, signer, statement) {
            // Taken before: nothing new.
        } else if !statement.is_by(server, &key) {
            changes.push(Change::WrongSignature { signed_by, key_id });
        } else if trusted.successors.contains_key(signer) {
            changes.push(Change::SecondSuccessor { signed_by, key_id });
        } else if !genuine.iter().any(|other| other.entry == statement.entry) {
            genuine.push(statement);
        }
    }
    if let [only] = genuine.as_slice() {
        match accept(trusted, signer, &only.entry) {
            Ok(()) => return Some(only.entry.key_id.clone()),
            Err(change) => changes.push(change),
        }
        return None;
    }
    changes.extend(genuine.into_iter().map(|one| {
        let (signed_by, key_id) = about(one);
        Change::SecondSuccessor { signed_by, key_id }
    }));
    None
}

/// Whether this very step was taken before.
fn is_known(trusted: &PinnedKeys, signer: &str, statement: &Statement) -> bool {
    let entry = &statement.entry;
    trusted.successors.get(signer).is_some_and(|successor| *successor == entry.key_id)
        && trusted.keys.get(&entry.key_id).is_some_and(|key| key.public_key == entry.public_key)
}

/// Trusts a key that its signer vouches for.
fn accept(trusted: &mut PinnedKeys, signer: &str, entry: &Entry) -> Result<(), Change> {
    let key_id = entry.key_id.clone();
    let begins_in_time =
        trusted.keys.get(signer).is_some_and(|by| (by.valid_from..=by.valid_until).contains(&entry.valid_from));
    if !begins_in_time || leads_to(trusted, &key_id, signer) {
        return Err(Change::SignerNotValid { signed_by: signer.to_owned(), key_id });
    }
    match trusted.keys.get(&key_id) {
        Some(known) if known.public_key != entry.public_key => return Err(Change::OtherKey { key_id }),
        // Met together with its signer: pinned already, and now known to come after it.
        Some(_) => {}
        None if trusted.keys.len() >= PINNED_MAX => return Err(Change::TooManyKeys),
        None => drop(trusted.keys.insert(key_id.clone(), pin(entry))),
    }
    trusted.successors.insert(signer.to_owned(), key_id);
    Ok(())
}

/// Whether `key_id` is `signer`, or one that it came after: then the statement would close a circle.
fn leads_to(trusted: &PinnedKeys, key_id: &str, signer: &str) -> bool {
    let chain = std::iter::successors(Some(key_id), |id| trusted.successors.get(*id).map(String::as_str));
    chain.take(trusted.keys.len() + 1).any(|id| id == signer)
}
