//! What the recovery key signs: revocations, and keys in place of all others.

use missive_wire::{SIGNED_BY_RECOVERY, ServerName, Timestamp};

use super::{Change, KeyDocument, Signer, Statement, document::STATEMENTS_MAX, pin};
use crate::{model::PinnedKeys, peers::signature::SKEW_SECONDS};

/// The most revocations that are remembered of a server.
const REVOKED_MAX: usize = 2 * STATEMENTS_MAX;

/// Takes over the revocations that the pinned recovery key signed, and notices when it is another or a new one.
pub(super) fn revoke(server: &ServerName, trusted: &mut PinnedKeys, document: &KeyDocument, changes: &mut Vec<Change>) {
    match (trusted.recovery_key, document.recovery_key) {
        (None, Some(_)) => changes.push(Change::RecoveryKeyAdded),
        (Some(pinned), Some(published)) if pinned != published => changes.push(Change::RecoveryKeyChanged),
        _ => {}
    }
    for revocation in &document.revocations {
        if trusted.revoked.contains(&revocation.key_id) {
            continue;
        }
        if trusted.recovery_key.is_some_and(|key| revocation.is_by(server, &key)) {
            if trusted.revoked.len() < REVOKED_MAX {
                trusted.revoked.insert(revocation.key_id.clone());
            } else {
                changes.push(Change::TooManyKeys);
            }
        } else {
            changes.push(Change::UnprovenRevocation { key_id: revocation.key_id.clone() });
        }
    }
}

/// Puts the newest key that the recovery key signed for in place of all others, once. Gives the ids of those whose time
/// has not come.
pub(super) fn recover(
    server: &ServerName,
    trusted: &mut PinnedKeys,
    document: &KeyDocument,
    now: Timestamp,
    changes: &mut Vec<Change>,
) -> Vec<String> {
    let latest = Timestamp::from_millis(now.millis() + SKEW_SECONDS * 1_000);
    let (coming, current): (Vec<_>, Vec<_>) =
        signed(server, trusted, document, changes).into_iter().partition(|one| one.entry.valid_from > latest);
    if let Some(newest) = current.iter().max_by_key(|one| one.entry.valid_from) {
        let rivals: Vec<_> = current
            .iter()
            .filter(|one| one.entry.valid_from == newest.entry.valid_from && one.entry != newest.entry)
            .collect();
        if rivals.is_empty() {
            replace(trusted, newest, changes);
        } else {
            let both = rivals.into_iter().chain([newest]);
            changes.extend(both.map(|one| Change::SecondRecovery { key_id: one.entry.key_id.clone() }));
        }
    }
    coming.into_iter().map(|one| one.entry.key_id.clone()).collect()
}

/// The recovery key's statements whose signatures are right and whose keys are not revoked.
fn signed<'a>(
    server: &ServerName,
    trusted: &PinnedKeys,
    document: &'a KeyDocument,
    changes: &mut Vec<Change>,
) -> Vec<&'a Statement> {
    let mut signed = Vec::new();
    for statement in document.statements.iter().filter(|one| one.signed_by == Signer::Recovery) {
        let key_id = statement.entry.key_id.clone();
        match trusted.recovery_key {
            None => changes.push(Change::UnknownRecoveryKey { key_id }),
            Some(key) if !statement.is_by(server, &key) => {
                changes.push(Change::WrongSignature { signed_by: SIGNED_BY_RECOVERY.to_owned(), key_id });
            }
            Some(_) if trusted.revoked.contains(&key_id) => {}
            Some(_) => signed.push(statement),
        }
    }
    signed
}

fn replace(trusted: &mut PinnedKeys, newest: &Statement, changes: &mut Vec<Change>) {
    let entry = &newest.entry;
    if trusted.recovered_at.is_some_and(|at| entry.valid_from < at) {
        return;
    }
    if trusted.recovered_at == Some(entry.valid_from) {
        let known = trusted.keys.get(&entry.key_id).is_some_and(|key| key.public_key == entry.public_key);
        if !known {
            changes.push(Change::SecondRecovery { key_id: entry.key_id.clone() });
        }
        return;
    }
    trusted.keys = [(entry.key_id.clone(), pin(entry))].into();
    trusted.successors.clear();
    trusted.recovered_at = Some(entry.valid_from);
}
