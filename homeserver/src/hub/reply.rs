//! What becomes of a message: each device's mailbox tells of its copy, and the last to tell has the sender's socket told.

use std::sync::{Arc, Mutex, PoisonError};

use missive_wire::{Address, MessageId};
use uuid::Uuid;

use super::{Frames, Outgoing, Turns};

/// What became of a message handed to a mailbox. What any copy lacks, the message lacks: of the copies' outcomes the
/// first in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The database did not take it; whether it did is unknown, and the sender still has it.
    Failed,
    /// The account's store is full.
    Full,
    /// An earlier message of the same socket to the same account failed for now: this one was not taken.
    AfterFailed,
    /// The device is no more, or its account is revoked.
    Gone,
    /// The device said that it has it; it was never stored.
    Received,
    /// It is durable.
    Stored,
    /// The device refused it; the status for its sender is stored and under way.
    Settled,
}

/// A message that is with the mailboxes of its receiver's devices.
#[derive(Debug)]
pub struct Sending {
    id: MessageId,
    receiver: Address,
    account: Uuid,
    /// Whether its sender knows the id, and so can send it again.
    comes_again: bool,
    turns: Arc<Turns>,
    /// Its place among the socket's messages.
    place: u64,
    sender: Frames,
    copies: Mutex<Copies>,
}

#[derive(Debug)]
struct Copies {
    open: usize,
    outcome: Outcome,
}

/// Hears what became of one device's copy. One that is dropped in silence counts as failed.
#[derive(Debug)]
pub struct Reply(Option<Arc<Sending>>);

/// The socket that a message comes from.
#[derive(Debug, Clone, Copy)]
pub struct SentBy<'a> {
    /// Its queue, where the outcome is told.
    pub frames: &'a Frames,
    /// Its turns.
    pub turns: &'a Arc<Turns>,
}

impl Sending {
    /// A message to an account of that id and address, in so many copies. One whose sender gave it no id (`given` is
    /// `None`) cannot come again, and so holds nothing up.
    pub fn start(
        by: SentBy<'_>,
        (account, receiver): (Uuid, Address),
        (given, id): (Option<MessageId>, MessageId),
        copies: usize,
    ) -> Vec<Reply> {
        let sending = Arc::new(Self {
            id,
            receiver,
            account,
            comes_again: given.is_some(),
            turns: by.turns.clone(),
            place: by.turns.next_place(),
            sender: by.frames.clone(),
            copies: Mutex::new(Copies { open: copies, outcome: Outcome::Settled }),
        });
        std::iter::repeat_with(|| Reply(Some(sending.clone()))).take(copies).collect()
    }

    /// A copy's outcome. A message that was not taken holds up the later ones from this moment, be it for one that
    /// failed which the same device sent over an earlier socket.
    fn tell(&self, outcome: Outcome) {
        if self.comes_again && matches!(outcome, Outcome::Full | Outcome::Failed | Outcome::AfterFailed) {
            self.turns.fail_at(self.account, self.id, self.place);
        }
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.open -= 1;
        copies.outcome = copies.outcome.min(outcome);
        let (open, outcome) = (copies.open, copies.outcome);
        drop(copies);
        if open == 0 {
            self.sender.answer(Outgoing::Told(self.id, self.receiver.clone(), outcome));
        }
    }
}

impl Reply {
    /// Whether an earlier message of the same socket to the same account failed meanwhile.
    pub(super) fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|sending| sending.turns.held(sending.account).is_some())
    }

    /// Tells the outcome. A sender that is gone will send the message again.
    pub fn tell(mut self, outcome: Outcome) {
        if let Some(sending) = self.0.take() {
            sending.tell(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(sending) = self.0.take() {
            sending.tell(Outcome::Failed);
        }
    }
}
