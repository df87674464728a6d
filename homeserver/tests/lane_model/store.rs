//! The database: envelopes in their order, and what became of those that are there no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeserver::{
    hub::{Landed, Stored},
    model::{NewEnvelope, OutboxRow},
};
use missive_wire::{EnvelopeResult, State};

use crate::sender::number;

/// How the database answers a write.
#[derive(Debug, Clone, Copy)]
pub enum Write {
    Done,
    /// It stores nothing.
    Failed,
    /// It stores all, and the answer gets lost.
    Unknown,
    /// From so many on, their pairs find no room.
    Full(usize),
}

/// What a stored message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Taken,
    Received,
    Refused,
    Expired,
}

#[derive(Default)]
pub struct Database {
    pub rows: BTreeMap<i64, (OutboxRow, String)>,
    /// Where messages are among them.
    places: BTreeMap<u64, i64>,
    next: i64,
    pub ended: BTreeMap<u64, End>,
}

impl Database {
    /// Stores envelopes, in the order given or in reverse.
    pub fn write(&mut self, envelopes: &[Arc<NewEnvelope>], how: Write, reverse: bool) -> Option<Vec<Stored>> {
        let mut full = BTreeSet::new();
        let mut results = vec![Stored::Gone; envelopes.len()];
        let mut places = (0..envelopes.len()).collect::<Vec<_>>();
        if reverse {
            places.reverse();
        }
        for place in places {
            let envelope = &envelopes[place];
            let is_full = matches!(how, Write::Full(from) if place >= from) || full.contains(&envelope.key.account);
            results[place] = match how {
                Write::Failed => Stored::Full,
                _ if is_full && self.place(envelope).is_none() => {
                    full.insert(envelope.key.account);
                    Stored::Full
                }
                _ => Stored::At(self.place(envelope).unwrap_or_else(|| self.insert(envelope))),
            };
        }
        (!matches!(how, Write::Failed | Write::Unknown)).then_some(results)
    }

    fn place(&self, envelope: &NewEnvelope) -> Option<i64> {
        self.places.get(&number(&envelope.key)).copied()
    }

    fn insert(&mut self, envelope: &NewEnvelope) -> i64 {
        self.next += 1;
        let bytes = i64::try_from(envelope.json.len()).unwrap();
        let row = OutboxRow { seq: self.next, key: envelope.key.clone(), bytes };
        self.places.insert(number(&row.key), self.next);
        self.rows.insert(self.next, (row, envelope.json.clone()));
        self.next
    }

    /// All of them without what is in them, oldest first.
    pub fn outline(&self) -> Vec<OutboxRow> {
        self.rows.values().map(|(row, _)| row.clone()).collect()
    }

    /// Settles what is definite, and, `deferred`, what is not.
    pub fn settle(&mut self, landed: Vec<Landed>, deferred: bool) {
        for (row, result) in landed {
            let end = match result {
                EnvelopeResult::Deferred { .. } if !deferred => continue,
                EnvelopeResult::Deferred { .. } => None,
                EnvelopeResult::Accepted { state: Some(State::Received), .. } => Some(End::Received),
                EnvelopeResult::Accepted { .. } => Some(End::Taken),
                EnvelopeResult::Refused(_) => Some(End::Refused),
            };
            if self.rows.remove(&row.seq).is_none() {
                continue;
            }
            self.places.remove(&number(&row.key));
            if let Some(end) = end {
                self.ended.insert(number(&row.key), end);
            }
        }
    }

    /// The oldest expire: which.
    pub fn expire(&mut self, count: usize) -> Vec<u64> {
        let expired = std::iter::from_fn(|| self.rows.pop_first()).take(count);
        let expired = expired.map(|(_, (row, _))| number(&row.key)).collect::<Vec<_>>();
        self.places.retain(|n, _| !expired.contains(n));
        self.ended.extend(expired.iter().map(|n| (*n, End::Expired)));
        expired
    }

    pub fn holds(&self, n: u64) -> bool {
        self.places.contains_key(&n)
    }
}
