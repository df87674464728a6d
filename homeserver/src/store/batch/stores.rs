//! Keeping messages for devices.

use std::collections::{HashMap, HashSet};

use missive_wire::{Address, CipherKind, Delivered, DeviceId, MessageId};
use uuid::Uuid;

use super::Results;
use crate::{
    model::{DeviceKey, PendingRow},
    store::{
        Quota, Result, Shares, Tx, WriteResult, corrupt,
        messages::device_of,
        run,
        shares::Room,
        text::{Dialect, Text, lookup},
    },
};

/// `IS NOT DISTINCT FROM`, here and wherever a message is looked up by its id: PostgreSQL answers that by no index, so that
/// it does not go through all that waits for a device, which looks as cheap to it while that is little.
static STORED_ALREADY: Text = lookup!(
    "SELECT found.seq, found.account_id, found.device_id, found.message_id, found.sender, found.sender_device",
    5,
    "pending_messages",
    "found.message_id = wanted.column1 AND found.account_id IS NOT DISTINCT FROM wanted.column2 \
     AND found.device_id IS NOT DISTINCT FROM wanted.column3 AND found.sender = wanted.column4 \
     AND found.sender_device = wanted.column5",
    ""
);

/// The insertion, and the rest of a text for it.
macro_rules! insert {
    ($rest:literal) => {
        Text::new(
            "INSERT INTO pending_messages \
             (account_id, device_id, sender, sender_id, sender_device, message_id, kind, content, sent_at, stored_at) \
             VALUES ",
            10,
            $rest,
        )
    };
}

static INSERT: Text = insert!("");
static INSERT_RETURNING: Text = insert!(" RETURNING seq, message_id");

/// An insertion with a message bound to it.
macro_rules! bound {
    ($insert:ident, $new:ident, $stored_at:ident) => {
        $insert
            .bind($new.store.device.account)
            .bind(i64::from($new.store.device.device.get()))
            .bind($new.store.sender.as_str())
            .bind($new.store.message.sender_id)
            .bind(i64::from($new.store.message.sender_device.get()))
            .bind($new.store.message.id)
            .bind($new.store.message.kind.map(kind_text))
            .bind($new.content.as_slice())
            .bind($new.store.message.sent_at.millis())
            .bind($stored_at)
    };
}

/// A message to be kept.
pub(super) struct Store<'a> {
    at: usize,
    request: usize,
    pub(super) device: DeviceKey,
    message: &'a Delivered,
    sender: String,
    quota: Quota,
}

/// A device of a request, and the device that it sends to.
type Pair = (usize, DeviceKey, Address, DeviceId);

/// The pairs of which a message found no room, over all of a transaction.
pub(super) type Full = HashSet<Pair>;

/// What tells messages apart.
type Key<'a> = (DeviceKey, MessageId, &'a str, DeviceId);

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
    store: &'a Store<'a>,
    content: Vec<u8>,
}

impl<'a> Store<'a> {
    pub(super) fn new(at: usize, request: usize, device: DeviceKey, message: &'a Delivered, quota: Quota) -> Self {
        Self { at, request, device, message, sender: message.sender.to_string(), quota }
    }

    fn key(&self) -> Key<'_> {
        (self.device, self.message.id, &self.sender, self.message.sender_device)
    }

    /// The account that sent the message, if it is of this homeserver.
    pub(super) fn sender(&self) -> Option<Uuid> {
        self.message.sender_id
    }

    /// Which device of which request sends it to which.
    fn pair(&self) -> Pair {
        (self.request, self.device, self.message.sender.clone(), self.message.sender_device)
    }
}

/// Keeps what is not there yet and finds room, in the order of the operations. Returns the rows that are new.
pub(super) async fn run(
    tx: &mut Tx,
    shares: &mut Shares,
    stores: &[Store<'_>],
    full: &mut Full,
    results: &mut Results,
) -> Result<Vec<(DeviceKey, PendingRow)>> {
    shares.load(tx, stores.iter().map(|store| (store.device.account, store.sender.as_str()))).await?;
    let mut plan = Plan::of(tx, stores).await?;
    for store in stores {
        if let Some(refused) = plan.consider(store, shares, full)? {
            results.set(store.at, refused);
        }
    }
    let seqs = insert(tx, &plan.new).await?;
    for (at, place) in plan.again {
        let seq = match place {
            Place::At(seq) => seq,
            Place::New(number) => *seqs.get(number).ok_or_else(|| corrupt("place"))?,
        };
        results.set(at, WriteResult::Stored { seq, new: false });
    }
    let mut rows = Vec::with_capacity(seqs.len());
    for (New { store, .. }, seq) in plan.new.iter().zip(seqs) {
        results.set(store.at, WriteResult::Stored { seq, new: true });
        rows.push((store.device, PendingRow::of(seq, store.message)));
    }
    Ok(rows)
}

/// What is to become of the messages.
struct Plan<'a> {
    numbers: HashMap<Key<'a>, usize>,
    /// By those numbers.
    places: Vec<Option<Place>>,
    new: Vec<New<'a>>,
    /// Operations on messages that are there, or will be.
    again: Vec<(usize, Place)>,
}

impl<'a> Plan<'a> {
    async fn of(tx: &mut Tx, stores: &'a [Store<'a>]) -> Result<Self> {
        let numbers = numbered(stores);
        let places = stored_already(tx, stores, &numbers).await?;
        Ok(Self { numbers, places, new: Vec::new(), again: Vec::new() })
    }

    /// Takes room for a message, or says why there is none. One behind another of the same request and pair of devices
    /// that found no room finds none either, however small it is: it would overtake it.
    fn consider(&mut self, store: &'a Store<'a>, shares: &mut Shares, full: &mut Full) -> Result<Option<WriteResult>> {
        let number = self.numbers.get(&store.key()).copied();
        let place = number.and_then(|number| self.places.get_mut(number)).ok_or_else(|| corrupt("place"))?;
        if let Some(place) = *place {
            self.again.push((store.at, place));
            return Ok(None);
        }
        if full.contains(&store.pair()) {
            return Ok(Some(WriteResult::Full));
        }
        let content = store.message.content.decode();
        Ok(match shares.take(store.device, &store.sender, length(&content)?, Some(store.quota))? {
            Room::Taken => {
                *place = Some(Place::New(self.new.len()));
                self.new.push(New { store, content });
                None
            }
            Room::Full => {
                full.insert(store.pair());
                Some(WriteResult::Full)
            }
            Room::Gone => Some(WriteResult::Gone),
        })
    }
}

/// A number for every message that is spoken of, below the number of operations.
fn numbered<'a>(stores: &'a [Store<'_>]) -> HashMap<Key<'a>, usize> {
    let mut numbers = HashMap::with_capacity(stores.len());
    for store in stores {
        let next = numbers.len();
        numbers.entry(store.key()).or_insert(next);
    }
    numbers
}

/// By those numbers, where messages are that are there already.
async fn stored_already(
    tx: &mut Tx,
    stores: &[Store<'_>],
    numbers: &HashMap<Key<'_>, usize>,
) -> Result<Vec<Option<Place>>> {
    let mut places = vec![None; stores.len()];
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
            let device = DeviceKey { account, device: device_of(device)? };
            let sender_device = device_of(sender_device)?;
            if let Some(number) = numbers.get(&(device, id, sender.as_str(), sender_device)) {
                places[*number] = Some(Place::At(seq));
            }
        }
    }
    Ok(places)
}

/// Inserts messages in their order; returns their places. Both databases number the rows of a statement in its order.
async fn insert(tx: &mut Tx, new: &[New<'_>]) -> Result<Vec<i64>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let stored_at = tx.retention_millis().await?;
    let mut seqs = Vec::with_capacity(new.len());
    match tx {
        Tx::Sqlite(tx) => {
            for (text, new) in INSERT.exact(Dialect::Sqlite, new) {
                let insert = new.iter().fold(sqlx::query(text), |insert, new| bound!(insert, new, stored_at));
                let last = insert.execute(&mut **tx).await?.last_insert_rowid();
                // Without gaps: nobody else inserts meanwhile. To return the rows would cost a change of threads each.
                let first = last + 1 - i64::try_from(new.len()).map_err(|_| corrupt("place"))?;
                seqs.extend(first..=last);
            }
        }
        Tx::Postgres(tx) => {
            for (text, new) in INSERT_RETURNING.exact(Dialect::Postgres, new) {
                let insert = new.iter().fold(sqlx::query_as(text), |insert, new| bound!(insert, new, stored_at));
                let mut rows: Vec<(i64, Uuid)> = insert.fetch_all(&mut **tx).await?;
                rows.sort_unstable();
                // That is not written down, so it is not relied on.
                if !rows.iter().map(|(_, id)| *id).eq(new.iter().map(|new| new.store.message.id)) {
                    return Err(corrupt("order of messages"));
                }
                seqs.extend(rows.into_iter().map(|(seq, _)| seq));
            }
        }
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
