//! Keeping messages for devices.

use std::collections::{HashMap, HashSet};

use missive_wire::{CipherKind, Delivered, DeviceId, MessageId};
use uuid::Uuid;

use super::Results;
use crate::{
    model::{DeviceKey, PendingRow},
    store::{Quota, Result, Shares, Tx, WriteResult, corrupt, run, shares::Room, text::Text},
};

static STORED_ALREADY: Text = Text::new(
    "SELECT m.seq, m.account_id, m.device_id, m.message_id, m.sender, m.sender_device FROM (VALUES ",
    5,
    ") AS new CROSS JOIN pending_messages AS m WHERE m.message_id = new.column1 AND m.account_id = new.column2 \
     AND m.device_id = new.column3 AND m.sender = new.column4 AND m.sender_device = new.column5",
);
static INSERT: Text = Text::new(
    "INSERT INTO pending_messages \
     (account_id, device_id, sender, sender_id, sender_device, message_id, kind, content, sent_at, stored_at) VALUES ",
    10,
    " RETURNING seq, message_id",
);

/// A message to be kept.
pub(super) struct Store<'a> {
    at: usize,
    request: usize,
    pub(super) device: DeviceKey,
    message: &'a Delivered,
    sender: String,
    quota: Quota,
}

/// What tells messages apart.
type Key = (DeviceKey, MessageId, String, DeviceId);

/// Where a message is that is kept, or will be.
#[derive(Clone, Copy)]
enum Place {
    /// In the database.
    At(i64),
    /// The so-manieth that is new.
    New(usize),
}

/// A message with room taken for it.
struct New<'a> {
    store: Store<'a>,
    content: Vec<u8>,
}

impl<'a> Store<'a> {
    pub(super) fn new(at: usize, request: usize, device: DeviceKey, message: &'a Delivered, quota: Quota) -> Self {
        Self { at, request, device, message, sender: message.sender.to_string(), quota }
    }

    fn key(&self) -> Key {
        (self.device, self.message.id, self.sender.clone(), self.message.sender_device)
    }

    fn row(&self, seq: i64, bytes: i64) -> PendingRow {
        PendingRow {
            seq,
            sender: self.message.sender.clone(),
            sender_id: self.message.sender_id,
            sender_device: self.message.sender_device,
            message_id: self.message.id,
            bytes,
        }
    }
}

/// Keeps what is not there yet and finds room, in the order of the operations. A message behind one of the same request
/// and pair of devices that found no room finds none either, however small it is: it would overtake it. Returns the rows
/// that are new.
pub(super) async fn run(
    tx: &mut Tx,
    shares: &mut Shares,
    stores: Vec<Store<'_>>,
    results: &mut Results,
) -> Result<Vec<(DeviceKey, PendingRow)>> {
    shares.load(tx, stores.iter().map(|store| (store.device.account, store.sender.as_str()))).await?;
    let mut places = stored_already(tx, &stores).await?;
    let mut full = HashSet::new();
    let (mut new, mut again) = (Vec::<New<'_>>::new(), Vec::new());
    for store in stores {
        if let Some(place) = places.get(&store.key()) {
            again.push((store.at, *place));
            continue;
        }
        let pair = (store.request, store.device, store.message.sender_device, &store.message.sender);
        let content = store.message.content.decode();
        let room = if full.contains(&pair) {
            Room::Full
        } else {
            shares.take(store.device, &store.sender, length(&content)?, Some(store.quota))?
        };
        match room {
            Room::Taken => {
                places.insert(store.key(), Place::New(new.len()));
                new.push(New { store, content });
            }
            Room::Full => {
                full.insert(pair);
                results.set(store.at, WriteResult::Full);
            }
            Room::Gone => results.set(store.at, WriteResult::Gone),
        }
    }
    let seqs = insert(tx, &new).await?;
    for (new, seq) in new.iter().zip(&seqs) {
        results.set(new.store.at, WriteResult::Stored { seq: *seq, new: true });
    }
    for (at, place) in again {
        let seq = match place {
            Place::At(seq) => seq,
            Place::New(number) => *seqs.get(number).ok_or_else(|| corrupt("place"))?,
        };
        results.set(at, WriteResult::Stored { seq, new: false });
    }
    let rows = new.iter().zip(seqs).map(|(new, seq)| Ok((new.store.device, new.store.row(seq, length(&new.content)?))));
    rows.collect()
}

async fn stored_already(tx: &mut Tx, stores: &[Store<'_>]) -> Result<HashMap<Key, Place>> {
    let mut places = HashMap::new();
    for (text, stores) in STORED_ALREADY.padded(tx.dialect(), stores) {
        let rows: Vec<(i64, Uuid, i64, Uuid, String, i64)> = run!(&mut *tx, |db| {
            let select = stores.iter().fold(sqlx::query_as(text), |select, Store { device, message, sender, .. }| {
                select
                    .bind(message.id)
                    .bind(device.account)
                    .bind(i64::from(device.device.get()))
                    .bind(sender.as_str())
                    .bind(i64::from(message.sender_device.get()))
            });
            select.fetch_all(db).await
        })?;
        for (seq, account, device, id, sender, sender_device) in rows {
            let device = DeviceKey { account, device: crate::store::messages::device_of(device)? };
            let sender_device = crate::store::messages::device_of(sender_device)?;
            places.insert((device, id, sender, sender_device), Place::At(seq));
        }
    }
    Ok(places)
}

/// Inserts messages in their order; returns their places.
async fn insert(tx: &mut Tx, new: &[New<'_>]) -> Result<Vec<i64>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let stored_at = tx.retention_millis().await?;
    let mut seqs = Vec::with_capacity(new.len());
    for (text, new) in INSERT.exact(tx.dialect(), new) {
        let mut rows: Vec<(i64, Uuid)> = run!(&mut *tx, |db| {
            let insert = new.iter().fold(sqlx::query_as(text), |insert, New { store, content }| {
                insert
                    .bind(store.device.account)
                    .bind(i64::from(store.device.device.get()))
                    .bind(store.sender.as_str())
                    .bind(store.message.sender_id)
                    .bind(i64::from(store.message.sender_device.get()))
                    .bind(store.message.id)
                    .bind(store.message.kind.map(kind_text))
                    .bind(content.as_slice())
                    .bind(store.message.sent_at.millis())
                    .bind(stored_at)
            });
            insert.fetch_all(db).await
        })?;
        // Both databases number the rows of a statement in its order. It is not written down, so it is not relied on.
        rows.sort_unstable();
        if !rows.iter().map(|(_, id)| *id).eq(new.iter().map(|new| new.store.message.id)) {
            return Err(corrupt("order of messages"));
        }
        seqs.extend(rows.into_iter().map(|(seq, _)| seq));
    }
    Ok(seqs)
}

fn length(content: &[u8]) -> Result<i64> {
    i64::try_from(content.len()).map_err(|_| corrupt("message"))
}

fn kind_text(kind: CipherKind) -> &'static str {
    match kind {
        CipherKind::PreKey => "preKey",
        CipherKind::Message => "message",
    }
}
