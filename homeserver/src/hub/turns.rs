//! Whose turn it is: the messages of one sender's socket that failed for now. Later ones to the same account wait until
//! the failed one comes again, so that order is kept. The socket's task and every mailbox it sends to share one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use missive_wire::MessageId;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Outcome;

/// The receivers that a failed message may hold up; while there are so many, every message is.
const FAILED_MAX: usize = 1024;

/// The first message to each account that failed for now. `None` stands for a receiver that could not be looked up: every
/// message waits for that one.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Failed>);

#[derive(Debug, Default)]
struct Failed {
    first: HashMap<Option<Uuid>, First>,
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
    /// A message failed for now before it came to a mailbox. Where an earlier one to the same account did, that one stays
    /// the first.
    pub fn fail(&self, account: Option<Uuid>, id: MessageId) {
        let mut failed = self.lock();
        let place = failed.next_place();
        failed.put(account, First { id, place });
    }

    /// A message comes, perhaps again: whatever waited for it to come waits no longer.
    pub fn come(&self, id: MessageId) {
        self.lock().first.retain(|_, first| first.id != id);
    }

    /// What a message to that account must wait for.
    pub fn held(&self, account: Uuid) -> Option<Held> {
        let failed = &self.lock().first;
        match failed.get(&None).or_else(|| failed.get(&Some(account))) {
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

    /// The mailboxes of several devices may tell of failures in another order than the messages were sent in.
    fn put(&mut self, account: Option<Uuid>, failed: First) {
        let first = self.first.entry(account).or_insert(failed);
        if failed.place < first.place {
            *first = failed;
        }
    }
}

/// Who hears what became of a message.
#[derive(Debug)]
pub struct Reply {
    outcome: oneshot::Sender<Outcome>,
    turns: Arc<Turns>,
    account: Uuid,
    id: Option<MessageId>,
    place: u64,
}

impl Reply {
    /// A message to that account, from the socket of those turns, and where its outcome is heard. One that its sender
    /// gave no id cannot come again, and so holds nothing up.
    pub fn new(turns: Arc<Turns>, account: Uuid, id: Option<MessageId>) -> (Self, oneshot::Receiver<Outcome>) {
        let (outcome, heard) = oneshot::channel();
        let place = turns.lock().next_place();
        (Self { outcome, turns, account, id, place }, heard)
    }

    /// Whether an earlier message of the same socket to the same account failed meanwhile.
    pub(super) fn is_held(&self) -> bool {
        self.turns.held(self.account).is_some()
    }

    /// Tells the outcome. A message that was not taken holds up the later ones from this moment, be it for one that
    /// failed which the same device sent over an earlier socket.
    pub fn tell(self, outcome: Outcome) {
        if let Some(id) = self.id.filter(|_| matches!(outcome, Outcome::Full | Outcome::Failed | Outcome::AfterFailed))
        {
            self.turns.lock().put(Some(self.account), First { id, place: self.place });
        }
        // A sender that is gone will send the message again.
        let _ = self.outcome.send(outcome);
    }
}
