//! What is remembered of other homeservers' requests: their nonces, and the answers to their transactions. The first
//! who brings one has it, whichever server on the database that is.

use std::collections::HashSet;

use missive_wire::{ServerName, Timestamp};

use super::Results;
use crate::store::{Result, Tx, WriteResult, run, text::Text};

static ADMIT: Text = Text::new(
    "INSERT INTO federation_nonces (origin, nonce, expires_at) VALUES ",
    3,
    " ON CONFLICT (origin, nonce) DO NOTHING RETURNING origin, nonce",
);
static KEEP: Text = Text::new(
    "INSERT INTO federation_transactions (origin, id, digest, results, created_at) VALUES ",
    5,
    " ON CONFLICT (origin, id) DO NOTHING RETURNING origin, id",
);

/// A nonce to be remembered.
pub(super) struct Admit<'a> {
    pub(super) at: usize,
    pub(super) origin: &'a ServerName,
    pub(super) nonce: &'a str,
    pub(super) expires_at: Timestamp,
}

/// An answer to be remembered.
pub(super) struct KeepAnswer<'a> {
    pub(super) at: usize,
    pub(super) origin: &'a ServerName,
    pub(super) id: &'a str,
    pub(super) digest: &'a [u8],
    pub(super) results: &'a str,
    pub(super) answered_at: Timestamp,
}

/// Remembers nonces that are new.
pub(super) async fn admit(tx: &mut Tx, mut all: Vec<Admit<'_>>, results: &mut Results) -> Result<()> {
    // In one order, so that two servers that bring the same do not wait for each other; of two alike, the first stays.
    all.sort_by_key(|one| (one.origin, one.nonce));
    all.dedup_by_key(|one| (one.origin, one.nonce));
    let mut new = HashSet::new();
    for (text, some) in ADMIT.exact(tx.dialect(), &all) {
        let rows: Vec<(String, String)> = run!(&mut *tx, |db| {
            let insert = some.iter().fold(sqlx::query_as(text), |insert, one| {
                insert.bind(one.origin.as_str()).bind(one.nonce).bind(one.expires_at.millis())
            });
            insert.fetch_all(db).await
        })?;
        new.extend(rows);
    }
    results.first(&new, all.iter().map(|one| (one.at, one.origin, one.nonce)));
    Ok(())
}

/// Remembers answers that are the first to their transactions.
pub(super) async fn keep(tx: &mut Tx, mut all: Vec<KeepAnswer<'_>>, results: &mut Results) -> Result<()> {
    all.sort_by_key(|one| (one.origin, one.id));
    all.dedup_by_key(|one| (one.origin, one.id));
    let mut new = HashSet::new();
    for (text, some) in KEEP.exact(tx.dialect(), &all) {
        let rows: Vec<(String, String)> = run!(&mut *tx, |db| {
            let insert = some.iter().fold(sqlx::query_as(text), |insert, one| {
                let insert = insert.bind(one.origin.as_str()).bind(one.id).bind(one.digest);
                insert.bind(one.results).bind(one.answered_at.millis())
            });
            insert.fetch_all(db).await
        })?;
        new.extend(rows);
    }
    results.first(&new, all.iter().map(|one| (one.at, one.origin, one.id)));
    Ok(())
}

impl Results {
    /// Says of each operation whose row is new that it is.
    fn first<'a>(
        &mut self,
        new: &HashSet<(String, String)>,
        all: impl Iterator<Item = (usize, &'a ServerName, &'a str)>,
    ) {
        for (at, origin, name) in all {
            if new.contains(&(origin.as_str().to_owned(), name.to_owned())) {
                self.set(at, WriteResult::Done(1));
            }
        }
    }
}
