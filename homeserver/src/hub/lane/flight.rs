//! A transaction under way.

use std::collections::VecDeque;

use bytes::Bytes;
use missive_wire::{TRANSACTION_MAX_BYTES, Transaction};
use uuid::Uuid;

use super::{AROUND_BYTES, LaneStep, Waiting};
use crate::model::{EnvelopeKey, OutboxRow};

/// A transaction.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: Uuid,
    pub(super) body: Bytes,
    pub(super) items: Vec<Item>,
    /// Whether its envelopes are the first of the fast path.
    pub(super) fast: bool,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: EnvelopeKey,
    pub(super) row: Option<OutboxRow>,
}

impl Flight {
    /// The oldest of the fast path, at most so many.
    pub(super) fn of_fast(fast: &VecDeque<Waiting>, most: usize, id: Uuid) -> Self {
        let mut bytes = AROUND_BYTES;
        let fits = |one: &&Waiting| {
            let first = bytes == AROUND_BYTES;
            bytes += one.envelope.json.len() + 1;
            first || bytes <= TRANSACTION_MAX_BYTES
        };
        let flying = fast.iter().take(most).take_while(fits).collect::<Vec<_>>();
        let body = Transaction::body(flying.iter().map(|one| one.envelope.json.as_str()));
        let items = flying.iter().map(|one| Item { key: one.envelope.key.clone(), row: None }).collect();
        Self { id, body, items, fast: true }
    }

    /// What is stored.
    pub(super) fn of_rows(rows: Vec<(OutboxRow, String)>, id: Uuid) -> Self {
        let body = Transaction::body(rows.iter().map(|(_, envelope)| envelope.as_str()));
        let items = rows.into_iter().map(|(row, _)| Item { key: row.key.clone(), row: Some(row) }).collect();
        Self { id, body, items, fast: false }
    }

    /// Whether some of it is on its way into the store, as far as anything is.
    pub(super) fn is_being_stored(&self, anything: bool) -> bool {
        anything && self.items.iter().any(|item| item.row.is_none())
    }

    pub(super) fn step(&self) -> LaneStep {
        LaneStep::Send { id: self.id, body: self.body.clone(), envelopes: self.items.len(), fast: self.fast }
    }
}
