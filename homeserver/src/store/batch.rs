//! A transaction of the writer, set by set: the operations of many requests run in phases, each a few statements over all
//! of its rows.
//!
//! The phases are: hold the accounts, stores, settlements, statuses, acknowledged statuses, claims. A message that one
//! request stores and settles is gone in whichever order it says so, because who settles it has it. Only a settlement by
//! id alone, which does not say whose message it means, ends a segment: what the request has behind it runs in the next.

mod acknowledged;
mod claims;
mod settles;
mod statuses;
mod stores;

use std::collections::HashMap;

use missive_wire::ServerName;
use uuid::Uuid;

use super::{Result, Shares, Tx, WriteOp, WriteResult};
use crate::model::MessageSelector;

use acknowledged::Acknowledge;
use claims::Claim;
use settles::{Found, Settle};
pub(super) use statuses::{Put, put};
use stores::{Full, Store};

/// Runs the operations of each request and returns what each came to, in its order. `own` is this homeserver's name.
pub(super) async fn run(tx: &mut Tx, requests: &[&[WriteOp]], own: &ServerName) -> Result<Vec<Vec<WriteResult>>> {
    let mut results = Results(vec![WriteResult::Done(0); requests.iter().map(|ops| ops.len()).sum()]);
    let (mut shares, mut full) = (Shares::new(own), Full::new());
    for segment in segments(requests) {
        segment.run(tx, &mut shares, &mut full, &mut results).await?;
    }
    shares.flush(tx).await?;
    let mut results = results.0.into_iter();
    Ok(requests.iter().map(|ops| results.by_ref().take(ops.len()).collect()).collect())
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
    statuses: Vec<Put>,
    acknowledged: Vec<Acknowledge<'a>>,
    claims: Vec<Claim>,
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
            WriteOp::Claim { account } => self.claims.push(Claim { at, account: *account }),
        }
    }

    async fn run(self, tx: &mut Tx, shares: &mut Shares, full: &mut Full, results: &mut Results) -> Result<()> {
        // Before anything is held, so that all is held at once, the senders to be told included.
        let mut found = Found::read(tx, &self.settles).await?;
        shares.hold(tx, self.accounts(&found)).await?;
        found.add(stores::run(tx, shares, &self.stores, full, results).await?);
        let mut statuses = settles::run(tx, shares, &self.settles, &found, results).await?;
        statuses.extend(self.statuses);
        for (at, result) in statuses::put(tx, shares, &statuses).await? {
            results.set(at, result);
        }
        acknowledged::run(tx, shares, &self.acknowledged, results).await?;
        claims::run(tx, shares, &self.claims, results).await
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
