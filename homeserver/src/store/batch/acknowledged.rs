//! Forgetting statuses that devices have stored.

use std::collections::HashMap;

use missive_wire::{MessageId, State};
use uuid::Uuid;

use super::Results;
use crate::{
    model::DeviceKey,
    store::{
        Result, Shares, Tx,
        messages::device_of,
        rows::{columns, rows},
        run,
        statuses::rank,
        text::{Dialect, Text, lookup},
    },
};

/// Takes statuses by device, message and state, or any state where that is 0. On SQLite it only looks which are there, and
/// [`DELETE`] follows, since what a statement returns comes row by row.
static TAKE: Text = lookup!(
    columns!(sqlite, bytes "found.account_id", plain "found.device_id", bytes "found.message_id", plain "found.sender",
        plain "found.state"),
    "DELETE FROM message_statuses WHERE ctid = ANY (ARRAY(SELECT found.ctid",
    4,
    "message_statuses",
    "found.account_id = wanted.column1 AND found.device_id = wanted.column2 AND found.message_id = wanted.column3 \
     AND wanted.column4 IN (0, found.state)",
    "",
    ")) RETURNING account_id, device_id, message_id, sender, state"
);
static DELETE: Text = Text::new(
    "WITH gone (account_id, device_id, message_id, sender) AS (VALUES ",
    4,
    ") DELETE FROM message_statuses WHERE (account_id, device_id, message_id, sender) IN (SELECT * FROM gone)",
);

/// Statuses that a device has stored; with a state only those that still tell that one.
pub(super) struct Acknowledge<'a> {
    pub(super) at: usize,
    pub(super) device: DeviceKey,
    pub(super) ids: &'a [MessageId],
    pub(super) state: Option<State>,
}

/// A status as it was kept.
type Row = (Uuid, i64, Uuid, String, i64);

/// What is to be forgotten: a device's status of a message, of that state, or of any if it is 0.
type Wanted = (DeviceKey, MessageId, i64);

/// Deletes statuses; each for the first who names it.
pub(super) async fn run(
    tx: &mut Tx,
    shares: &mut Shares,
    all: &[Acknowledge<'_>],
    results: &mut Results,
) -> Result<()> {
    let mut wanted = Vec::new();
    let mut first = HashMap::<Wanted, usize>::new();
    for one in all {
        for id in one.ids {
            let key = (one.device, *id, one.state.map_or(0, rank));
            first.entry(key).or_insert_with(|| {
                wanted.push(key);
                one.at
            });
        }
    }
    let rows = tx.take_statuses(&wanted).await?;
    shares.load(tx, rows.iter().map(|(account, _, _, speaker, _)| (*account, speaker.as_str()))).await?;
    for (account, device, id, speaker, state) in &rows {
        let device = DeviceKey { account: *account, device: device_of(*device)? };
        let named = [*state, 0].into_iter().filter_map(|state| first.get(&(device, *id, state)));
        if let Some(at) = named.min() {
            results.add(*at, 1);
        }
        shares.give(*account, speaker, 0)?;
    }
    Ok(())
}

impl Tx {
    async fn take_statuses(&mut self, wanted: &[Wanted]) -> Result<Vec<Row>> {
        let mut taken = Vec::new();
        for (text, wanted) in TAKE.padded(self.dialect(), wanted) {
            let rows: Vec<Row> = rows!(&mut *self, text, |take| {
                wanted.iter().fold(take, |take, (device, id, state)| {
                    take.bind(device.account).bind(i64::from(device.device.get())).bind(*id).bind(*state)
                })
            })?;
            taken.extend(rows);
        }
        // A list that is filled up, or that names a state and any, finds a row twice.
        taken.sort_unstable();
        taken.dedup();
        if let Self::Sqlite(_) = self {
            for (text, rows) in DELETE.padded(Dialect::Sqlite, &taken) {
                run!(&mut *self, |db| {
                    let delete = rows.iter().fold(sqlx::query(text), |delete, (account, device, id, speaker, _)| {
                        delete.bind(*account).bind(*device).bind(*id).bind(speaker.as_str())
                    });
                    delete.execute(db).await.map(drop)
                })?;
            }
        }
        Ok(taken)
    }
}
