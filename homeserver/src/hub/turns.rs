//! Whose turn it is: the messages of one sender's socket that failed for now. Later ones to the same account wait until
//! the failed one comes again, so that order is kept. The socket's task and every mailbox it sends to share one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use missive_wire::{Address, MessageId};
use uuid::Uuid;

/// The receivers that a failed message may hold up; while there are so many, every message is.
const FAILED_MAX: usize = 1024;

/// The first message to each receiver that failed for now. `None` stands for a receiver that could not be looked up: every
/// message waits for that one.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Failed>);

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Towards {
    /// An account of this homeserver.
    Account(Uuid),
    /// An address of another.
    Elsewhere(Address),
}

#[derive(Debug, Default)]
struct Failed {
    first: HashMap<Option<Towards>, First>,
    /// How many messages the socket has sent.
    sent: u64,
}

#[derive(Debug, Clone, Copy)]
struct First {
    id: MessageId,
    /// Its place among the socket's messages.
    place: u64,
}

/// What a message must wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// That one failed for now.
    By(MessageId),
    /// Too many failed for now.
    ByMany,
}

impl Turns {
    /// A message failed for now before it came to a mailbox or lane. Where an earlier one to the same receiver did, that
    /// one stays the first.
    pub fn fail(&self, towards: Option<Towards>, id: MessageId) {
        let mut failed = self.lock();
        let place = failed.next_place();
        failed.put(towards, First { id, place });
    }

    /// A message failed for now in a mailbox; its place is where the socket sent it. The mailboxes of several devices may
    /// tell of failures in another order than the messages were sent in.
    pub(super) fn fail_at(&self, towards: Towards, id: MessageId, place: u64) {
        self.lock().put(Some(towards), First { id, place });
    }

    /// The place of the socket's next message.
    pub(super) fn next_place(&self) -> u64 {
        self.lock().next_place()
    }

    /// A message comes, perhaps again: whatever waited for it to come waits no longer.
    pub fn come(&self, id: MessageId) {
        self.lock().first.retain(|_, first| first.id != id);
    }

    /// What a message to that receiver must wait for.
    pub fn held(&self, towards: &Towards) -> Option<Held> {
        let failed = &self.lock().first;
        if failed.is_empty() {
            return None;
        }
        match failed.get(&None).or_else(|| failed.get(&Some(towards.clone()))) {
            Some(first) => Some(Held::By(first.id)),
            None => (failed.len() >= FAILED_MAX).then_some(Held::ByMany),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failed {
    fn next_place(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    fn put(&mut self, towards: Option<Towards>, failed: First) {
        let first = self.first.entry(towards).or_insert(failed);
        if failed.place < first.place {
            *first = failed;
        }
    }
}
