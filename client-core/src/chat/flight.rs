//! Which messages are under way on a connection: at most 64 without a state, in order for each receiver.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use missive_wire::{Address, MessageId};
use tokio::time::Instant;

/// Messages in flight that have no state yet; beyond, the homeserver stops reading.
const WINDOW: usize = 64;

/// When this many wait to be repeated, nothing further is looked at.
const HELD_MAX: usize = 1024;

/// How long to wait where the homeserver does not say, and at the most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(10);

/// What to do with a message of the outbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send it.
    Send,
    /// It is under way, or waits behind one that failed for now.
    Leave,
}

/// The connection's window over the outbox.
#[derive(Default)]
pub(super) struct Flight {
    /// The last position of the outbox that was looked at.
    cursor: i64,
    under_way: HashMap<MessageId, (i64, Address)>,
    /// Failed for now, or behind one that did.
    held: BTreeMap<i64, Address>,
    /// When the held ones of each receiver are tried again.
    retry_at: HashMap<Address, Instant>,
}

impl Flight {
    /// From where to look, and at how many.
    pub(super) fn room(&self) -> Option<(i64, u32)> {
        if self.held.len() >= HELD_MAX {
            return None;
        }
        let room = u32::try_from(WINDOW.saturating_sub(self.under_way.len())).unwrap_or(0);
        (room > 0).then_some((self.cursor, room))
    }

    /// Takes the next message of the outbox into account.
    pub(super) fn next(&mut self, position: i64, id: MessageId, receiver: &Address) -> Step {
        self.cursor = self.cursor.max(position);
        if self.under_way.contains_key(&id) {
            return Step::Leave;
        }
        if self.held.values().any(|held| held == receiver) {
            self.held.insert(position, receiver.clone());
            return Step::Leave;
        }
        self.under_way.insert(id, (position, receiver.clone()));
        Step::Send
    }

    /// Passes over a message that needs no sending.
    pub(super) fn skip(&mut self, position: i64) {
        self.cursor = self.cursor.max(position);
    }

    /// A message has a state, or has failed for good. Says whether it was under way.
    pub(super) fn settle(&mut self, id: MessageId) -> bool {
        self.under_way.remove(&id).is_some()
    }

    /// A message has failed for now. Whether nothing else has, and nothing is under way that was sent before it.
    pub(super) fn hold(&mut self, id: MessageId, now: Instant, retry_after: Option<Duration>) -> bool {
        let Some((position, receiver)) = self.under_way.remove(&id) else { return false };
        let at = now + retry_after.unwrap_or(RETRY).min(RETRY_MAX);
        let nothing_before = self.held.is_empty() && self.under_way.values().all(|(place, _)| *place > position);
        let known = self.retry_at.entry(receiver.clone()).or_insert(at);
        *known = at.max(*known);
        self.held.insert(position, receiver);
        nothing_before
    }

    /// Looks at everything again; what is under way stays so.
    pub(super) fn rewind(&mut self) {
        self.cursor = 0;
    }

    /// When to look again at something that failed for now.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at.values().min().copied()
    }

    /// Looks again from the oldest that failed for now and is due.
    pub(super) fn retry(&mut self, now: Instant) {
        let due = |receiver: &Address| self.retry_at.get(receiver).is_none_or(|at| *at <= now);
        let oldest = self.held.iter().find(|(_, receiver)| due(receiver)).map(|(place, _)| *place);
        if let Some(oldest) = oldest {
            self.cursor = self.cursor.min(oldest - 1);
        }
        let due: HashSet<Address> = self.held.values().filter(|receiver| due(receiver)).cloned().collect();
        self.held.retain(|_, receiver| !due.contains(receiver));
        self.retry_at.retain(|_, at| *at > now);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ids(count: usize) -> Vec<MessageId> {
        (0..count).map(|_| Uuid::now_v7()).collect()
    }

    #[tokio::test]
    async fn keeps_to_the_window_and_goes_on() {
        let (mut flight, bob, ids) = (Flight::default(), "bob@two.example".parse().unwrap(), ids(65));
        for (position, id) in (1..).zip(&ids[..64]) {
            assert_eq!(flight.next(position, *id, &bob), Step::Send);
        }
        assert_eq!(flight.room(), None);
        assert!(flight.settle(ids[10]));
        assert!(!flight.settle(ids[10]));
        assert_eq!(flight.room(), Some((64, 1)));
    }

    #[tokio::test]
    async fn holds_later_messages_of_a_pair_and_no_others() {
        let (bob, carol) = ("bob@two.example".parse().unwrap(), "carol@two.example".parse().unwrap());
        let (mut flight, ids, now) = (Flight::default(), ids(4), Instant::now());
        flight.next(1, ids[0], &bob);
        flight.next(2, ids[1], &bob);
        flight.hold(ids[0], now, Some(Duration::from_secs(3)));
        flight.hold(ids[1], now, None);
        assert_eq!(flight.next(3, ids[2], &bob), Step::Leave);
        assert_eq!(flight.next(4, ids[3], &carol), Step::Send);
        assert_eq!(flight.retry_at(), Some(now + Duration::from_secs(3)));
        flight.retry(Instant::now() + RETRY_MAX);
        assert_eq!(flight.room(), Some((0, 63)));
        for (position, id) in (1..).zip(&ids[..3]) {
            assert_eq!(flight.next(position, *id, &bob), Step::Send);
        }
        assert_eq!(flight.next(4, ids[3], &carol), Step::Leave);
    }
}
