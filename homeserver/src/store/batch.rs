//! A transaction of the writer, set by set: the operations of many requests run in phases, each a few statements over all
//! of its rows.
//!
//! The phases are: hold the accounts, stores, settlements, envelopes for other homeservers, settled envelopes, statuses,
//! acknowledged statuses, claims, what is remembered of other homeservers' requests. A message that one request stores and
//! settles is gone in whichever order it says so, because who settles it has it. Only a settlement by id alone, which does
//! not say whose message it means, ends a segment: what the request has behind it runs in the next.

mod acknowledged;
mod claims;
mod dequeues;
mod enqueues;
mod requests;
mod settles;
mod statuses;
mod stores;

use std::collections::{BTreeSet, HashMap};

use missive_wire::ServerName;
use uuid::Uuid;

use super::{Result, Shares, Tx, WriteOp, WriteResult};
use crate::model::{Lane, MessageSelector};

use acknowledged::Acknowledge;
use claims::Claim;
use dequeues::Dequeue;
pub(super) use enqueues::{Enqueue, enqueue};
use requests::{Admit, KeepAnswer};
use settles::{Found, Settle};
pub(super) use statuses::{Put, put};
use stores::Store;

/// Runs the operations of each request and returns what each came to, in its order. `own` is this homeserver's name. The
/// lanes that something is put into are added to `filled`, whatever comes of the transaction.
pub(super) async fn run(
    tx: &mut Tx,
    requests: &[&[WriteOp]],
    own: &ServerName,
    filled: &mut BTreeSet<Lane>,
) -> Result<Vec<Vec<WriteResult>>> {
    let results = vec![WriteResult::Done(0); requests.iter().map(|ops| ops.len()).sum()];
    let mut known = Known {
        shares: Shares::new(own),
        full: stores::Full::new(),
        full_outbox: enqueues::Full::new(),
        filled,
        results: Results(results),
    };
    for segment in segments(requests) {
        segment.run(tx, &mut known).await?;
    }
    known.shares.flush(tx).await?;
    let mut results = known.results.0.into_iter();
    Ok(requests.iter().map(|ops| results.by_ref().take(ops.len()).collect()).collect())
}

/// What is known over all segments of a transaction.
struct Known<'a> {
    shares: Shares,
    /// Which pairs found no room for a message …
    full: stores::Full,
    /// … and for an envelope.
    full_outbox: enqueues::Full,
    filled: &'a mut BTreeSet<Lane>,
    results: Results,
}

/// What became of every operation, in the order in which they were asked for.
struct Results(Vec<WriteResult>);

impl Results {
    fn set(&mut self, at: usize, result: WriteResult) {
        if let Some(place) = self.0.get_mut(at) {
            *place = result;
        }
    }

    /// Adds to the rows that an operation changed.
    fn add(&mut self, at: usize, more: u64) {
        if let Some(WriteResult::Done(rows)) = self.0.get_mut(at) {
            *rows += more;
        }
    }
}

/// What runs together, sorted by phase.
#[derive(Default)]
struct Segment<'a> {
    stores: Vec<Store<'a>>,
    settles: Vec<Settle<'a>>,
    enqueues: Vec<Enqueue>,
    dequeues: Vec<Dequeue<'a>>,
    statuses: Vec<Put>,
    acknowledged: Vec<Acknowledge<'a>>,
    claims: Vec<Claim<'a>>,
    admitted: Vec<Admit<'a>>,
    answers: Vec<KeepAnswer<'a>>,
}

fn segments<'a>(requests: &[&'a [WriteOp]]) -> Vec<Segment<'a>> {
    let mut segments = Vec::new();
    let mut at = 0;
    for (request, ops) in requests.iter().enumerate() {
        let mut segment = 0;
        for op in *ops {
            if segments.len() <= segment {
                segments.push(Segment::default());
            }
            segments[segment].add(at, request, op);
            segment += usize::from(matches!(op, WriteOp::Settle { which: MessageSelector::Id(_), .. }));
            at += 1;
        }
    }
    segments
}

impl<'a> Segment<'a> {
    fn add(&mut self, at: usize, request: usize, op: &'a WriteOp) {
        match op {
            WriteOp::Store { device, message, quota } => {
                self.stores.push(Store::new(at, request, *device, message, *quota));
            }
            WriteOp::Settle { device, receiver, which, state, code } => {
                self.settles.push(Settle { at, device: *device, receiver, which, state: *state, code: *code });
            }
            WriteOp::PutStatus(status, quota) => {
                self.statuses.push(Put::new(Some(at), status.clone(), *quota));
            }
            WriteOp::AcknowledgeStatuses { device, ids, state } => {
                self.acknowledged.push(Acknowledge { at, device: *device, ids, state: *state });
            }
            WriteOp::Enqueue { envelope, quota } => self.enqueues.push(Enqueue::new(at, request, envelope, *quota)),
            WriteOp::Dequeue { row, status } => self.dequeues.push(Dequeue { at, row, status: status.as_ref() }),
            WriteOp::Admit { origin, nonce, expires_at } => {
                self.admitted.push(Admit { at, origin, nonce, expires_at: *expires_at });
            }
            WriteOp::KeepAnswer { origin, id, digest, results, at: answered_at } => {
                self.answers.push(KeepAnswer { at, origin, id, digest, results, answered_at: *answered_at });
            }
            WriteOp::Claim { account, remote } => {
                self.claims.push(Claim { at, account: *account, remote: remote.as_ref() });
            }
        }
    }

    async fn run(self, tx: &mut Tx, known: &mut Known<'_>) -> Result<()> {
        let Known { shares, full, full_outbox, filled, results } = known;
        // Before anything is held, so that all is held at once, the senders to be told included.
        let mut found = Found::read(tx, &self.settles).await?;
        shares.hold(tx, self.accounts(&found)).await?;
        found.add(stores::run(tx, shares, &self.stores, full, results).await?);
        let told = settles::run(tx, shares, &self.settles, &found, results).await?;
        // What a settlement tells comes before what its device says later of the same message.
        let enqueues = told.elsewhere.into_iter().chain(self.enqueues).collect::<Vec<_>>();
        let kept = enqueue(tx, shares, &enqueues, full_outbox).await?;
        filled.extend(kept.filled);
        let mut statuses = told.here;
        statuses.extend(dequeues::run(tx, shares, &self.dequeues, results).await?);
        statuses.extend(self.statuses);
        for (at, result) in kept.results.into_iter().chain(statuses::put(tx, shares, &statuses).await?) {
            results.set(at, result);
        }
        acknowledged::run(tx, shares, &self.acknowledged, results).await?;
        claims::run(tx, shares, &self.claims, results).await?;
        requests::admit(tx, self.admitted, results).await?;
        requests::keep(tx, self.answers, results).await
    }

    /// Whose stores or keys change.
    fn accounts(&self, found: &Found) -> Vec<Uuid> {
        let mut accounts = found.senders();
        accounts.extend(self.stores.iter().map(|store| store.device.account));
        // What is stored here may be settled here too.
        if self.settles.iter().any(|settle| !matches!(settle.which, MessageSelector::Row(_))) {
            accounts.extend(self.stores.iter().filter_map(Store::sender));
        }
        accounts.extend(self.settles.iter().flat_map(Settle::accounts));
        accounts.extend(self.statuses.iter().map(|put| put.status.device.account));
        accounts.extend(self.acknowledged.iter().map(|one| one.device.account));
        accounts.extend(self.claims.iter().map(|claim| claim.account));
        accounts.extend(self.enqueues.iter().map(Enqueue::account));
        accounts.extend(self.dequeues.iter().flat_map(Dequeue::accounts));
        accounts
    }
}

/// Puts what has the same key together, the keys in the order in which they came first.
fn grouped<K: std::hash::Hash + Eq + Copy, T>(all: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let (mut places, mut groups) = (HashMap::new(), Vec::<(K, Vec<T>)>::new());
    for (key, one) in all {
        let place = *places.entry(key).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(one);
    }
    groups
}
