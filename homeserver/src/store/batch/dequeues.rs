//! Settling envelopes that another homeserver has answered for, or that have expired: their rows go, and what their
//! senders are told is kept in the same commit.

use std::collections::HashMap;

use missive_wire::MessageId;
use uuid::Uuid;

use super::{Put, Results};
use crate::{
    model::{NewStatus, OutboxRow},
    store::{
        Result, Shares, Tx, WriteResult, corrupt,
        rows::{columns, rows},
        shares::share_of,
        text::{Dialect, Text},
    },
};

/// Takes rows by their places: on SQLite it only looks which are there, and [`DELETE`] follows, since what a statement
/// returns comes row by row.
static TAKE: Text = Text::of_each(
    [
        (
            concat!(
                columns!(
                    sqlite,
                    plain "seq",
                    bytes "account_id",
                    bytes "message_id",
                    plain "octet_length(envelope)"
                ),
                " FROM federation_outbox WHERE seq IN ("
            ),
            ")",
        ),
        (
            "DELETE FROM federation_outbox WHERE seq IN (",
            ") RETURNING seq, account_id, message_id, CAST(octet_length(envelope) AS BIGINT)",
        ),
    ],
    1,
);
static DELETE: Text = Text::new("DELETE FROM federation_outbox WHERE seq IN (", 1, ")");

/// An envelope to be settled.
pub(super) struct Dequeue<'a> {
    pub(super) at: usize,
    pub(super) row: &'a OutboxRow,
    pub(super) status: Option<&'a NewStatus>,
}

impl Dequeue<'_> {
    /// Whose stores change.
    pub(super) fn accounts(&self) -> impl Iterator<Item = Uuid> {
        std::iter::once(self.row.key.account).chain(self.status.map(|status| status.device.account))
    }
}

/// Settles envelopes; each for the first who means it. Returns what their senders are to be told.
pub(super) async fn run(
    tx: &mut Tx,
    shares: &mut Shares,
    dequeues: &[Dequeue<'_>],
    results: &mut Results,
) -> Result<Vec<Put>> {
    let meant = dequeues.iter().map(|one| (one.row.seq, (one.row.key.account, one.row.key.message_id)));
    let mut gone = delete(tx, &meant.collect()).await?;
    let (mut taken, mut statuses) = (Vec::new(), Vec::new());
    for Dequeue { at, row, status } in dequeues {
        let Some(bytes) = gone.remove(&row.seq) else { continue };
        taken.push((row.key.account, share_of(&row.key), bytes));
        statuses.extend(status.map(|status| Put::new(None, status.clone(), None)));
        results.set(*at, WriteResult::Done(1));
    }
    shares.load(tx, taken.iter().map(|(account, share, _)| (*account, share.as_str()))).await?;
    for (account, share, bytes) in &taken {
        shares.give(*account, share, *bytes)?;
    }
    Ok(statuses)
}

/// Deletes rows; returns which were there, and how many bytes each had.
async fn delete(tx: &mut Tx, meant: &HashMap<i64, (Uuid, MessageId)>) -> Result<HashMap<i64, i64>> {
    let mut seqs = meant.keys().copied().collect::<Vec<_>>();
    // Two servers that settle the same rows wait for each other in one order.
    seqs.sort_unstable();
    let mut gone = HashMap::new();
    for (text, seqs) in TAKE.padded(tx.dialect(), &seqs) {
        let rows: Vec<(i64, Uuid, Uuid, i64)> =
            rows!(&mut *tx, text, |take| seqs.iter().fold(take, |take, seq| take.bind(**seq)))?;
        for (seq, account, message_id, bytes) in rows {
            // Nobody settles another envelope than it means: such a transaction ends here, with nothing changed.
            if meant.get(&seq) != Some(&(account, message_id)) {
                return Err(corrupt("envelope"));
            }
            gone.insert(seq, bytes);
        }
    }
    if let Tx::Sqlite(tx) = tx {
        for (text, seqs) in DELETE.padded(Dialect::Sqlite, &seqs) {
            let delete = seqs.iter().fold(sqlx::query(text), |delete, seq| delete.bind(**seq));
            delete.execute(&mut **tx).await?;
        }
    }
    Ok(gone)
}
