//! Keeping envelopes for other homeservers.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use missive_wire::{Address, DeviceId};
use uuid::Uuid;

use crate::{
    model::{EnvelopeKey, Lane, NewEnvelope},
    store::{
        Quota, Result, Shares, Tx, WriteResult, corrupt,
        outbox::{KeyRow, device_number, key_of, state_number},
        run,
        shares::{Room, share_of},
        text::{Dialect, Text, lookup},
    },
};

static STORED_ALREADY: Text = lookup!(
    "SELECT found.seq, found.account_id, found.device_id, found.receiver, found.receiver_device, found.message_id, \
     found.state",
    6,
    "federation_outbox",
    "found.message_id = wanted.column1 AND found.account_id = wanted.column2 AND found.device_id = wanted.column3 \
     AND found.receiver = wanted.column4 AND found.receiver_device = wanted.column5 AND found.state = wanted.column6",
    ""
);

/// The insertion, and the rest of a text for it.
macro_rules! insert {
    ($rest:literal) => {
        Text::new(
            "INSERT INTO federation_outbox (destination, lane, account_id, device_id, receiver, receiver_device, \
             message_id, state, envelope, stored_at) VALUES ",
            10,
            $rest,
        )
    };
}

static INSERT: Text = insert!("");
static INSERT_RETURNING: Text = insert!(" RETURNING seq, message_id");

/// An insertion with an envelope bound to it.
macro_rules! bound {
    ($insert:ident, $new:ident, $stored_at:ident) => {
        $insert
            .bind($new.lane.destination.as_str())
            .bind(i64::from($new.lane.number))
            .bind($new.key.account)
            .bind(device_number($new.key.device))
            .bind($new.key.receiver.to_string())
            .bind(device_number($new.key.receiver_device))
            .bind($new.key.message_id)
            .bind(state_number($new.key.state))
            .bind($new.json.as_str())
            .bind($stored_at)
    };
}

/// An envelope to be kept.
pub(in crate::store) struct Enqueue {
    /// The place of the operation, and its request, if it is one's own.
    asked: Option<(usize, usize)>,
    envelope: Arc<NewEnvelope>,
    quota: Option<Quota>,
    /// Under which name it is counted.
    share: String,
}

/// An account's device in a request, and the device that it sends to.
type Pair = (usize, Uuid, Option<DeviceId>, Address, Option<DeviceId>);

/// The pairs of which an envelope found no room, over all of a transaction.
pub(super) type Full = HashSet<Pair>;

/// What became of envelopes.
#[derive(Default)]
pub(in crate::store) struct Enqueued {
    /// Of those that are operations of their own.
    pub(super) results: Vec<(usize, WriteResult)>,
    /// The lanes into which one was put.
    pub(super) filled: BTreeSet<Lane>,
}

/// Where an envelope is that is kept, or will be.
#[derive(Clone, Copy)]
enum Place {
    /// In the database.
    At(i64),
    /// The so-manieth that is new.
    New(usize),
}

impl Enqueue {
    /// The envelope of the operation at that place of that request, which has to find room, if a quota is given.
    pub(super) fn new(at: usize, request: usize, envelope: &Arc<NewEnvelope>, quota: Option<Quota>) -> Self {
        Self { asked: Some((at, request)), quota, ..Self::uncounted(envelope.clone()) }
    }

    /// What is told of something that is settled: it is kept in any case.
    pub(in crate::store) fn told(envelope: NewEnvelope) -> Self {
        Self::uncounted(envelope.into())
    }

    fn uncounted(envelope: Arc<NewEnvelope>) -> Self {
        Self { asked: None, share: share_of(&envelope.key), envelope, quota: None }
    }

    /// On whose behalf it goes.
    pub(super) fn account(&self) -> Uuid {
        self.envelope.key.account
    }

    /// Which device of which request sends it to which, where it has to find room.
    fn pair(&self) -> Option<Pair> {
        let key = &self.envelope.key;
        let ((_, request), _) = self.asked.zip(self.quota)?;
        Some((request, key.account, key.device, key.receiver.clone(), key.receiver_device))
    }

    fn take(&self, shares: &mut Shares) -> Result<Room> {
        let bytes = i64::try_from(self.envelope.json.len()).map_err(|_| corrupt("envelope"))?;
        match shares.take_of_account(self.account(), &self.share, bytes, self.quota)? {
            // An account that is no more has nothing that could be counted.
            Room::Gone if self.quota.is_none() => Ok(Room::Taken),
            room => Ok(room),
        }
    }
}

/// Keeps what is not there yet and finds room, in the order given. The accounts must be held.
pub(in crate::store) async fn enqueue(
    tx: &mut Tx,
    shares: &mut Shares,
    enqueues: &[Enqueue],
    full: &mut Full,
) -> Result<Enqueued> {
    shares.load(tx, enqueues.iter().map(|one| (one.account(), one.share.as_str()))).await?;
    let mut places = stored_already(tx, enqueues).await?;
    let (mut new, mut kept, mut done) = (Vec::new(), Vec::new(), Enqueued::default());
    for one in enqueues {
        let outcome = match places.get(&one.envelope.key) {
            Some(place) => Ok((*place, false)),
            None => consider(one, shares, full)?.map(|()| (Place::New(new.len()), true)),
        };
        if let Ok((place, true)) = outcome {
            places.insert(&one.envelope.key, place);
            new.push(&*one.envelope);
        }
        match (one.asked, outcome) {
            (Some((at, _)), Ok(place)) => kept.push((at, place)),
            (Some((at, _)), Err(refused)) => done.results.push((at, refused)),
            (None, _) => {}
        }
    }
    let seqs = insert(tx, &new).await?;
    for (at, (place, new)) in kept {
        let seq = match place {
            Place::At(seq) => seq,
            Place::New(number) => *seqs.get(number).ok_or_else(|| corrupt("place"))?,
        };
        done.results.push((at, WriteResult::Stored { seq, new }));
    }
    done.filled = new.iter().map(|envelope| envelope.lane.clone()).collect();
    Ok(done)
}

/// Takes room for a new envelope, or says why there is none. One behind another of the same request and pair of devices
/// that found no room finds none either, however small it is: it would overtake it.
fn consider(one: &Enqueue, shares: &mut Shares, full: &mut Full) -> Result<std::result::Result<(), WriteResult>> {
    let pair = one.pair();
    if pair.as_ref().is_some_and(|pair| full.contains(pair)) {
        return Ok(Err(WriteResult::Full));
    }
    Ok(match one.take(shares)? {
        Room::Taken => Ok(()),
        Room::Full => {
            full.extend(pair);
            Err(WriteResult::Full)
        }
        Room::Gone => Err(WriteResult::Gone),
    })
}

/// Where envelopes are that are there already.
async fn stored_already<'a>(tx: &mut Tx, enqueues: &'a [Enqueue]) -> Result<HashMap<&'a EnvelopeKey, Place>> {
    let keys = enqueues.iter().map(|one| &one.envelope.key).collect::<HashSet<_>>();
    let mut places = HashMap::with_capacity(keys.len());
    for (text, enqueues) in STORED_ALREADY.padded(tx.dialect(), enqueues) {
        let rows: Vec<(i64, Uuid, i64, String, i64, Uuid, i64)> = run!(&mut *tx, |db| {
            let select = enqueues.iter().map(|one| &one.envelope.key).fold(sqlx::query_as(text), |select, key| {
                select
                    .bind(key.message_id)
                    .bind(key.account)
                    .bind(device_number(key.device))
                    .bind(key.receiver.to_string())
                    .bind(device_number(key.receiver_device))
                    .bind(state_number(key.state))
            });
            select.fetch_all(db).await
        })?;
        for (seq, account, device, receiver, receiver_device, message_id, state) in rows {
            let row = KeyRow { account, device, receiver, receiver_device, message_id, state };
            if let Some(key) = keys.get(&key_of(&row)?) {
                places.insert(*key, Place::At(seq));
            }
        }
    }
    Ok(places)
}

/// Inserts envelopes in their order; returns their places. Both databases number the rows of a statement in its order.
async fn insert(tx: &mut Tx, new: &[&NewEnvelope]) -> Result<Vec<i64>> {
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
                if !rows.iter().map(|(_, id)| *id).eq(new.iter().map(|new| new.key.message_id)) {
                    return Err(corrupt("order of envelopes"));
                }
                seqs.extend(rows.into_iter().map(|(seq, _)| seq));
            }
        }
    }
    Ok(seqs)
}
