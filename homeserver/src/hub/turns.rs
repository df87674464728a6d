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
pub struct Turns(Mutex<HashMap<Option<Uuid>, MessageId>>);

/// What a message must wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// That one failed for now.
    By(MessageId),
    /// Too many failed for now.
    ByMany,
}

impl Turns {
    /// A message failed for now. Where an earlier one to the same account did, that one stays the first.
    pub fn fail(&self, account: Option<Uuid>, id: MessageId) {
        self.lock().entry(account).or_insert(id);
    }

    /// A message comes, perhaps again: whatever waited for it to come waits no longer.
    pub fn come(&self, id: MessageId) {
        self.lock().retain(|_, first| *first != id);
    }

    /// What a message to that account must wait for.
    pub fn held(&self, account: Uuid) -> Option<Held> {
        let failed = self.lock();
        match failed.get(&None).or_else(|| failed.get(&Some(account))) {
            Some(first) => Some(Held::By(*first)),
            None => (failed.len() >= FAILED_MAX).then_some(Held::ByMany),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<Uuid>, MessageId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who hears what became of a message.
#[derive(Debug)]
pub struct Reply {
    outcome: oneshot::Sender<Outcome>,
    turns: Arc<Turns>,
    account: Uuid,
    id: MessageId,
}

impl Reply {
    /// A message of that id to that account, from the socket of those turns; and where its outcome is heard.
    pub fn new(turns: Arc<Turns>, account: Uuid, id: MessageId) -> (Self, oneshot::Receiver<Outcome>) {
        let (outcome, heard) = oneshot::channel();
        (Self { outcome, turns, account, id }, heard)
    }

    /// Whether an earlier message of the same socket to the same account failed meanwhile.
    pub(super) fn is_held(&self) -> bool {
        self.turns.held(self.account).is_some()
    }

    /// Tells the outcome. A message that failed for now holds up the later ones from this moment.
    pub fn tell(self, outcome: Outcome) {
        if matches!(outcome, Outcome::Full | Outcome::Failed) {
            self.turns.fail(Some(self.account), self.id);
        }
        // A sender that is gone will send the message again.
        let _ = self.outcome.send(outcome);
    }
}
