//! What a transaction came to: each envelope is settled where it is by then, in memory, on its way into the store, or there.

use std::{collections::VecDeque, time::Duration};

use missive_wire::{ENVELOPES_MAX, EnvelopeResult, State};
use tokio::time::Instant;

use super::{
    LaneState, Unanswered, Waiting, answer,
    deferred::{DEFERRED, DEFERRED_MAX},
    flight::{Flight, Item},
};
use crate::hub::Outcome;

/// How long a lane waits before it sends in smaller parts what was not taken whole.
const SMALLER: Duration = Duration::from_millis(250);

impl LaneState {
    /// The transaction under way has results, or has none.
    pub(in crate::hub) fn landed(&mut self, results: Result<Vec<EnvelopeResult>, Unanswered>, now: Instant) {
        self.busy = false;
        let Some(flight) = self.flight.take() else {
            // Something else came to nothing: it begins anew.
            self.look = true;
            return;
        };
        match results {
            Ok(results) if results.len() == flight.items.len() => {
                self.most = (self.most * 2).min(ENVELOPES_MAX);
                let paused = self.pause.take().map_or(DEFERRED / 2, |(_, pause)| pause);
                let fast = flight.fast;
                self.stored_next = fast;
                let mut back = VecDeque::new();
                for (item, result) in flight.items.into_iter().zip(results) {
                    if matches!(result, EnvelopeResult::Deferred { .. }) {
                        if !self.deferred.defer(&item.key, now) {
                            self.pause(now, (paused * 2).min(DEFERRED_MAX));
                        }
                    } else {
                        self.deferred.settle(&item.key);
                    }
                    if fast {
                        back.extend(self.land_fast(result));
                    } else {
                        self.land(item, result);
                    }
                }
                if !back.is_empty() {
                    // In front of whatever is newer.
                    self.queue.extend(back);
                    self.messages = Some(true);
                    self.spill();
                }
            }
            Err(Unanswered::Whole) => {
                self.most = (flight.items.len() / 2).max(1);
                self.spill();
                self.look = true;
                self.pause(now, SMALLER);
            }
            Err(Unanswered::Paused(pause)) => {
                self.pause(now, pause);
                self.come_again(flight);
            }
            Ok(_) | Err(Unanswered::NoAnswer) => self.come_again(flight),
        }
    }

    /// A transaction without an answer is repeated.
    fn come_again(&mut self, flight: Flight) {
        self.flight = Some(flight);
        self.spill();
        self.put_aside();
    }

    /// Keeps of a transaction that waits to be repeated what it takes to read it again, once all of it is stored: out of
    /// memory, whoever it is for. Where some of it is not, its senders were told that it failed, and it is taken apart.
    pub(super) fn put_aside(&mut self) {
        let being_stored = !self.queue.is_empty() || self.writing.is_some();
        if self.busy || self.flight.as_ref().is_none_or(|flight| flight.is_being_stored(being_stored)) {
            return;
        }
        let Some(flight) = self.flight.take() else { return };
        let rows = flight.items.into_iter().map(|item| item.row).collect::<Option<Vec<_>>>();
        self.repeat = rows.map(|rows| (flight.id, rows));
        self.look = true;
    }

    /// A result of the oldest of the fast path; what must be stored after all is returned.
    fn land_fast(&mut self, result: EnvelopeResult) -> Option<Waiting> {
        let waiting = self.fast.pop_front()?;
        self.fast_bytes = self.fast_bytes.saturating_sub(waiting.envelope.json.len());
        settle(waiting, result)
    }

    /// A result of what is stored, or on its way there.
    fn land(&mut self, item: Item, result: EnvelopeResult) {
        if let Some(row) = item.row {
            self.late.push((row, result));
        } else if let Some(place) = self.queue.iter().position(|one| one.envelope.key == item.key) {
            if let Some(back) = self.queue.remove(place).and_then(|waiting| settle(waiting, result)) {
                self.queue.insert(place, back);
            }
        } else if let Some(waiting) = self.writing.iter_mut().flatten().find(|one| one.envelope.key == item.key) {
            waiting.answer = Some(result);
        }
    }
}

/// Tells what became of a message that was not stored; one that is deferred comes back, to be stored.
fn settle(waiting: Waiting, result: EnvelopeResult) -> Option<Waiting> {
    match result {
        EnvelopeResult::Accepted { state: Some(State::Received), .. } => answer(waiting.replies, Outcome::Received),
        EnvelopeResult::Accepted { .. } => answer(waiting.replies, Outcome::Stored),
        EnvelopeResult::Deferred { .. } => return Some(waiting),
        EnvelopeResult::Refused(error) => {
            for reply in waiting.replies {
                reply.refuse(error.clone());
            }
        }
    }
    None
}
