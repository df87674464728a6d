//! Forgetting statuses that devices have stored.

use std::collections::HashMap;

use missive_wire::{MessageId, State};
use uuid::Uuid;

use super::{Results, grouped};
use crate::{
    model::DeviceKey,
    store::{Result, Shares, Tx, run, statuses::rank, text::Text},
};

/// PostgreSQL is made to look each up, as in every [`crate::store::text::lookup`].
static DELETE: Text = Text::of_each(
    [
        (
            "WITH of (account_id, device_id, state) AS (VALUES (?, ?, ?)) DELETE FROM message_statuses \
             WHERE account_id = (SELECT account_id FROM of) AND device_id = (SELECT device_id FROM of) \
             AND (SELECT state FROM of) IN (0, state) AND message_id IN (",
            ") RETURNING message_id, sender",
        ),
        (
            "WITH of (account_id, device_id, state) AS (VALUES (?, ?, ?)) DELETE FROM message_statuses \
             WHERE ctid = ANY (ARRAY(SELECT found.ctid FROM of CROSS JOIN (VALUES ",
            ") AS wanted CROSS JOIN LATERAL (SELECT s.ctid FROM message_statuses AS s \
             WHERE s.account_id = of.account_id AND s.device_id = of.device_id AND s.message_id = wanted.column1 \
             AND of.state IN (0, s.state) OFFSET 0) AS found)) RETURNING message_id, sender",
        ),
    ],
    1,
);

/// Statuses that a device has stored; with a state only those that still tell that one.
pub(super) struct Acknowledge<'a> {
    pub(super) at: usize,
    pub(super) device: DeviceKey,
    pub(super) ids: &'a [MessageId],
    pub(super) state: Option<State>,
}

/// Deletes statuses, together where the device and the state are the same; each for the first who names it.
pub(super) async fn run(
    tx: &mut Tx,
    shares: &mut Shares,
    all: &[Acknowledge<'_>],
    results: &mut Results,
) -> Result<()> {
    let mut speakers = Vec::new();
    for ((device, state), group) in grouped(all.iter().map(|one| ((one.device, one.state.map_or(0, rank)), one))) {
        let mut first = HashMap::new();
        for one in group {
            for id in one.ids {
                first.entry(*id).or_insert(one.at);
            }
        }
        for (id, speaker) in tx.delete_statuses(device, state, &first.keys().copied().collect::<Vec<_>>()).await? {
            if let Some(at) = first.get(&id) {
                results.add(*at, 1);
            }
            speakers.push((device.account, speaker));
        }
    }
    shares.load(tx, speakers.iter().map(|(account, speaker)| (*account, speaker.as_str()))).await?;
    for (account, speaker) in &speakers {
        shares.give(*account, speaker, 0)?;
    }
    Ok(())
}

impl Tx {
    /// Deletes a device's statuses of these messages, of any state if it is 0; returns their messages and speakers.
    async fn delete_statuses(
        &mut self,
        device: DeviceKey,
        state: i64,
        ids: &[MessageId],
    ) -> Result<Vec<(Uuid, String)>> {
        let mut deleted = Vec::new();
        for (text, ids) in DELETE.padded(self.dialect(), ids) {
            let rows: Vec<(Uuid, String)> = run!(&mut *self, |db| {
                let delete = sqlx::query_as(text);
                let delete = delete.bind(device.account).bind(i64::from(device.device.get())).bind(state);
                let delete = ids.iter().fold(delete, |delete, id| delete.bind(**id));
                delete.fetch_all(db).await
            })?;
            deleted.extend(rows);
        }
        Ok(deleted)
    }
}
