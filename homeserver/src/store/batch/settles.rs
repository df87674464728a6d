//! Settling messages: their rows go, and what their senders are told is stored in the same commit.

use std::collections::HashMap;

use missive_wire::{Address, Code, DeviceId, MessageId, State};
use uuid::Uuid;

use super::{Enqueue, Put, Results};
use crate::{
    model::{DeviceKey, MessageSelector, NewStatus, PendingRow, SettledRow},
    store::{
        Result, Shares, Tx, WriteResult, corrupt,
        messages::device_of,
        rows::{columns, rows},
        run,
        text::{Dialect, Text, lookup},
    },
};

static BY_TRIPLE: Text = lookup!(
    "SELECT found.seq, found.account_id, found.device_id, found.sender, found.sender_id, found.sender_device, \
     found.message_id",
    5,
    "pending_messages",
    "found.message_id = wanted.column1 AND found.account_id IS NOT DISTINCT FROM wanted.column2 \
     AND found.device_id IS NOT DISTINCT FROM wanted.column3 AND found.sender = wanted.column4 \
     AND found.sender_device = wanted.column5",
    ""
);
static BY_ID: Text = lookup!(
    "SELECT found.seq, found.account_id, found.device_id, found.sender, found.sender_id, found.sender_device, \
     found.message_id",
    3,
    "pending_messages",
    "found.message_id = wanted.column1 AND found.account_id IS NOT DISTINCT FROM wanted.column2 \
     AND found.device_id IS NOT DISTINCT FROM wanted.column3",
    ""
);
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
                    plain "device_id",
                    bytes "message_id",
                    plain "length(content)"
                ),
                " FROM pending_messages WHERE seq IN ("
            ),
            ")",
        ),
        (
            "DELETE FROM pending_messages WHERE seq IN (",
            ") RETURNING seq, account_id, device_id, message_id, CAST(length(content) AS BIGINT)",
        ),
    ],
    1,
);
static DELETE: Text = Text::new("DELETE FROM pending_messages WHERE seq IN (", 1, ")");

/// Messages to be settled.
pub(super) struct Settle<'a> {
    pub(super) at: usize,
    pub(super) device: DeviceKey,
    pub(super) receiver: &'a Address,
    pub(super) which: &'a MessageSelector,
    pub(super) state: State,
    pub(super) code: Option<Code>,
}

/// The rows that selectors may mean which do not name them.
#[derive(Default)]
pub(super) struct Found(HashMap<(DeviceKey, MessageId), Vec<PendingRow>>);

impl Settle<'_> {
    /// Whose stores change, as far as that is known before anything was read.
    pub(super) fn accounts(&self) -> impl Iterator<Item = Uuid> {
        let sender = match self.which {
            MessageSelector::Row(row) => row.sender_id,
            MessageSelector::Triple(..) | MessageSelector::Id(_) => None,
        };
        std::iter::once(self.device.account).chain(sender)
    }

    /// The rows that it means.
    fn rows<'r>(&'r self, found: &'r Found) -> impl Iterator<Item = &'r PendingRow> {
        let (row, found) = match self.which {
            MessageSelector::Row(row) => (Some(row), None),
            MessageSelector::Triple(.., id) | MessageSelector::Id(id) => (None, found.0.get(&(self.device, *id))),
        };
        let meant = |row: &&PendingRow| match self.which {
            MessageSelector::Triple(sender, device, _) => row.sender == *sender && row.sender_device == *device,
            MessageSelector::Id(_) | MessageSelector::Row(_) => true,
        };
        row.into_iter().chain(found.into_iter().flatten().filter(meant))
    }
}

impl Found {
    /// Looks for what is meant. What appears later is not found: who settles it has not seen it.
    pub(super) async fn read(tx: &mut Tx, settles: &[Settle<'_>]) -> Result<Self> {
        let (mut triples, mut ids) = (Vec::new(), Vec::new());
        for settle in settles {
            match settle.which {
                MessageSelector::Triple(sender, device, id) => {
                    triples.push((settle.device, *id, sender.to_string(), *device));
                }
                MessageSelector::Id(id) => ids.push((settle.device, *id)),
                MessageSelector::Row(_) => {}
            }
        }
        let mut found = Self::default();
        found.add(tx.rows_by_triple(&triples).await?);
        found.add(tx.rows_by_id(&ids).await?);
        Ok(found)
    }

    pub(super) fn add(&mut self, rows: impl IntoIterator<Item = (DeviceKey, PendingRow)>) {
        for (device, row) in rows {
            let rows = self.0.entry((device, row.message_id)).or_default();
            if !rows.iter().any(|known| known.seq == row.seq) {
                rows.push(row);
            }
        }
    }

    /// The accounts that sent the messages.
    pub(super) fn senders(&self) -> Vec<Uuid> {
        self.0.values().flatten().filter_map(|row| row.sender_id).collect()
    }
}

/// What the senders of settled messages are to be told.
#[derive(Default)]
pub(super) struct Told {
    /// Those of this homeserver.
    pub(super) here: Vec<Put>,
    /// Those of others.
    pub(super) elsewhere: Vec<Enqueue>,
}

/// Settles messages; each for the first who means it. Returns what their senders are to be told.
pub(super) async fn run(
    tx: &mut Tx,
    shares: &mut Shares,
    settles: &[Settle<'_>],
    found: &Found,
    results: &mut Results,
) -> Result<Told> {
    let meant =
        settles.iter().flat_map(|settle| settle.rows(found).map(|row| (row.seq, (settle.device, row.message_id))));
    let mut gone = delete(tx, &meant.collect()).await?;
    let mut taken = Vec::new();
    let mut told = Told::default();
    for settle in settles {
        let mut settled = Vec::new();
        for row in settle.rows(found) {
            let Some(bytes) = gone.remove(&row.seq) else { continue };
            taken.push((settle.device.account, row.sender.to_string(), bytes));
            told.here.extend(settle.status(row));
            let elsewhere = row.status_elsewhere(settle.device.account, settle.receiver, settle.state, settle.code);
            told.elsewhere.extend(elsewhere.map(Enqueue::told));
            settled.push(settle.settled(row));
        }
        results.set(settle.at, WriteResult::Settled(settled));
    }
    shares.load(tx, taken.iter().map(|(account, sender, _)| (*account, sender.as_str()))).await?;
    for (account, sender, bytes) in &taken {
        shares.give(*account, sender, *bytes)?;
    }
    Ok(told)
}

impl Settle<'_> {
    fn settled(&self, row: &PendingRow) -> SettledRow {
        let elsewhere = row.elsewhere(&self.receiver.server).cloned();
        SettledRow { seq: row.seq, sender: row.sending_device(), elsewhere, message_id: row.message_id }
    }

    /// What the sender of a settled message is told here.
    fn status(&self, row: &PendingRow) -> Option<Put> {
        let status = NewStatus {
            device: row.sending_device()?,
            message_id: row.message_id,
            state: self.state,
            sender: self.receiver.clone(),
            code: self.code,
        };
        Some(Put::new(None, status, None))
    }
}

/// Deletes rows; returns which were there, and how many bytes each had.
async fn delete(tx: &mut Tx, meant: &HashMap<i64, (DeviceKey, MessageId)>) -> Result<HashMap<i64, i64>> {
    let seqs = meant.keys().copied().collect::<Vec<_>>();
    let mut gone = HashMap::new();
    for (text, seqs) in TAKE.padded(tx.dialect(), &seqs) {
        let rows: Vec<(i64, Uuid, i64, Uuid, i64)> =
            rows!(&mut *tx, text, |take| seqs.iter().fold(take, |take, seq| take.bind(**seq)))?;
        for (seq, account, device, id, bytes) in rows {
            // Nobody settles another's, or another message: such a transaction ends here, with nothing changed.
            let device = DeviceKey { account, device: device_of(device)? };
            if meant.get(&seq) != Some(&(device, id)) {
                return Err(corrupt("row"));
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

/// A row as it is read.
type Row = (i64, Uuid, i64, String, Option<Uuid>, i64, Uuid);

impl Tx {
    async fn rows_by_triple(
        &mut self,
        triples: &[(DeviceKey, MessageId, String, DeviceId)],
    ) -> Result<Vec<(DeviceKey, PendingRow)>> {
        let mut found = Vec::new();
        for (text, triples) in BY_TRIPLE.padded(self.dialect(), triples) {
            let rows: Vec<Row> = run!(&mut *self, |db| {
                let select =
                    triples.iter().fold(sqlx::query_as(text), |select, (device, id, sender, sender_device)| {
                        select
                            .bind(*id)
                            .bind(device.account)
                            .bind(i64::from(device.device.get()))
                            .bind(sender.as_str())
                            .bind(i64::from(sender_device.get()))
                    });
                select.fetch_all(db).await
            })?;
            found.extend(rows);
        }
        found.into_iter().map(pending_row).collect()
    }

    async fn rows_by_id(&mut self, ids: &[(DeviceKey, MessageId)]) -> Result<Vec<(DeviceKey, PendingRow)>> {
        let mut found = Vec::new();
        for (text, ids) in BY_ID.padded(self.dialect(), ids) {
            let rows: Vec<Row> = run!(&mut *self, |db| {
                let select = ids.iter().fold(sqlx::query_as(text), |select, (device, id)| {
                    select.bind(*id).bind(device.account).bind(i64::from(device.device.get()))
                });
                select.fetch_all(db).await
            })?;
            found.extend(rows);
        }
        found.into_iter().map(pending_row).collect()
    }
}

fn pending_row(row: Row) -> Result<(DeviceKey, PendingRow)> {
    let (seq, account, device, sender, sender_id, sender_device, message_id) = row;
    let device = DeviceKey { account, device: device_of(device)? };
    let sender = sender.parse().map_err(|_| corrupt("address"))?;
    Ok((device, PendingRow { seq, sender, sender_id, sender_device: device_of(sender_device)?, message_id }))
}
