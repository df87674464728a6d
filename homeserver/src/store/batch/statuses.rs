//! Keeping what senders are to be told. States only rise.

use std::collections::HashMap;

use missive_wire::{Code, MessageId};
use uuid::Uuid;

use crate::{
    model::{DeviceKey, NewStatus},
    store::{
        Quota, Result, Shares, Tx, WriteResult,
        messages::device_of,
        run,
        shares::Room,
        statuses::rank,
        text::{Text, lookup},
    },
};

static KEPT: Text = lookup!(
    "SELECT found.account_id, found.device_id, found.message_id, found.sender, found.state",
    4,
    "message_statuses",
    "found.account_id = wanted.column1 AND found.device_id = wanted.column2 AND found.message_id = wanted.column3 \
     AND found.sender = wanted.column4",
    ""
);
static WRITE: Text = Text::new(
    "INSERT INTO message_statuses (account_id, device_id, message_id, sender, state, code) VALUES ",
    6,
    " ON CONFLICT (account_id, device_id, message_id, sender) DO UPDATE SET state = excluded.state, \
     code = excluded.code",
);

/// A status to be kept.
pub(in crate::store) struct Put {
    at: Option<usize>,
    pub(in crate::store) status: NewStatus,
    speaker: String,
    quota: Option<Quota>,
}

/// What tells statuses apart.
type Key<'a> = (DeviceKey, MessageId, &'a str);

impl Put {
    /// The status of the operation at that place, if it is one's own. It has to find room, if a quota is given.
    pub(in crate::store) fn new(at: Option<usize>, status: NewStatus, quota: Option<Quota>) -> Self {
        Self { at, speaker: status.sender.to_string(), status, quota }
    }

    fn key(&self) -> Key<'_> {
        (self.status.device, self.status.message_id, &self.speaker)
    }
}

/// A status as it is kept, and as it is to be.
struct Slot<'a> {
    key: Key<'a>,
    rank: Option<i64>,
    code: Option<Code>,
    changed: bool,
}

/// Keeps statuses whose devices still exist and that say more than what is kept, in their order. A new one takes room of
/// the speaker's share. Returns what became of those that are operations of their own.
pub(in crate::store) async fn put(tx: &mut Tx, shares: &mut Shares, puts: &[Put]) -> Result<Vec<(usize, WriteResult)>> {
    shares.hold(tx, puts.iter().map(|put| put.status.device.account)).await?;
    shares.load(tx, puts.iter().map(|put| (put.status.device.account, put.speaker.as_str()))).await?;
    let (places, mut slots) = slots(puts);
    for (device, id, speaker, rank) in kept(tx, &slots).await? {
        if let Some(place) = places.get(&(device, id, speaker.as_str())) {
            slots[*place].rank = Some(rank);
        }
    }
    let mut results = Vec::new();
    for put in puts {
        let Some(place) = places.get(&put.key()) else { continue };
        let result = slots[*place].put(put, shares)?;
        results.extend(put.at.map(|at| (at, result)));
    }
    slots.retain(|slot| slot.changed);
    write(tx, &slots).await?;
    Ok(results)
}

/// A slot for every status that is spoken of, and where it is.
fn slots(puts: &[Put]) -> (HashMap<Key<'_>, usize>, Vec<Slot<'_>>) {
    let (mut places, mut slots) = (HashMap::with_capacity(puts.len()), Vec::with_capacity(puts.len()));
    for put in puts {
        let key = put.key();
        places.entry(key).or_insert_with(|| {
            slots.push(Slot { key, rank: None, code: None, changed: false });
            slots.len() - 1
        });
    }
    (places, slots)
}

impl Slot<'_> {
    fn put(&mut self, put: &Put, shares: &mut Shares) -> Result<WriteResult> {
        let rank = rank(put.status.state);
        if self.rank.is_some_and(|kept| kept >= rank) {
            return Ok(WriteResult::Done(0));
        }
        if self.rank.is_none() {
            match shares.take(put.status.device, &put.speaker, 0, put.quota)? {
                Room::Taken => {}
                Room::Full => return Ok(WriteResult::Full),
                Room::Gone => return Ok(WriteResult::Gone),
            }
        }
        (self.rank, self.code, self.changed) = (Some(rank), put.status.code, true);
        Ok(WriteResult::Done(1))
    }
}

async fn kept(tx: &mut Tx, slots: &[Slot<'_>]) -> Result<Vec<(DeviceKey, MessageId, String, i64)>> {
    let mut kept = Vec::new();
    for (text, slots) in KEPT.padded(tx.dialect(), slots) {
        let rows: Vec<(Uuid, i64, Uuid, String, i64)> = run!(&mut *tx, |db| {
            let select = slots.iter().fold(sqlx::query_as(text), |select, Slot { key: (device, id, speaker), .. }| {
                select.bind(device.account).bind(i64::from(device.device.get())).bind(*id).bind(*speaker)
            });
            select.fetch_all(db).await
        })?;
        for (account, device, id, speaker, rank) in rows {
            kept.push((DeviceKey { account, device: device_of(device)? }, id, speaker, rank));
        }
    }
    Ok(kept)
}

async fn write(tx: &mut Tx, slots: &[Slot<'_>]) -> Result<()> {
    for (text, slots) in WRITE.exact(tx.dialect(), slots) {
        run!(&mut *tx, |db| {
            let write = slots.iter().fold(sqlx::query(text), |write, slot| {
                let (device, id, speaker) = slot.key;
                write
                    .bind(device.account)
                    .bind(i64::from(device.device.get()))
                    .bind(id)
                    .bind(speaker)
                    .bind(slot.rank)
                    .bind(slot.code.map(Code::as_str))
            });
            write.execute(db).await.map(drop)
        })?;
    }
    Ok(())
}
