//! What becomes of a message: each device's mailbox tells of its copy, and the last to tell has the sender told: the socket
//! that the message came from, or the transaction of another homeserver.

use std::sync::{Arc, Mutex, PoisonError};

use missive_wire::{Address, ErrorBody, MessageId, ServerError, ServerFrame};
use tokio::sync::oneshot;

use super::{Frames, Outgoing, Towards, Turns};

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

/// A message that is with the mailboxes of its receiver's devices, or with the lane to their homeserver.
#[derive(Debug)]
pub struct Sending {
    id: MessageId,
    towards: Towards,
    /// Whether its sender knows the id, and so can send it again.
    comes_again: bool,
    turns: Arc<Turns>,
    /// Its place among those that share the turns.
    place: u64,
    sender: Sender,
    copies: Mutex<Copies>,
}

/// Who is told what became of a message.
#[derive(Debug)]
enum Sender {
    /// A socket's queue, which tells of the receiver at that address.
    Socket(Frames, Address),
    /// Whoever answers a transaction.
    Transaction(Mutex<Option<oneshot::Sender<Outcome>>>),
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
    /// A message of a socket to a receiver of that address, in so many copies. One whose sender gave it no id (`given` is
    /// `None`) cannot come again, and so holds nothing up.
    pub fn start(
        by: SentBy<'_>,
        (towards, receiver): (Towards, Address),
        (given, id): (Option<MessageId>, MessageId),
        copies: usize,
    ) -> Vec<Reply> {
        let sender = Sender::Socket(by.frames.clone(), receiver);
        Self::of(sender, by.turns, towards, id, copies).comes_again(given.is_some()).replies(copies)
    }

    /// A message of another homeserver's transaction to an account, in so many copies; `turns` are its pair's. The outcome
    /// is told once.
    pub fn of_transaction(
        turns: &Arc<Turns>,
        towards: Towards,
        id: MessageId,
        copies: usize,
    ) -> (Vec<Reply>, oneshot::Receiver<Outcome>) {
        let (sender, outcome) = oneshot::channel();
        let sender = Sender::Transaction(Mutex::new(Some(sender)));
        (Self::of(sender, turns, towards, id, copies).replies(copies), outcome)
    }

    fn of(sender: Sender, turns: &Arc<Turns>, towards: Towards, id: MessageId, copies: usize) -> Self {
        Self {
            id,
            towards,
            comes_again: true,
            turns: turns.clone(),
            place: turns.next_place(),
            sender,
            copies: Mutex::new(Copies { open: copies, outcome: Outcome::Settled }),
        }
    }

    fn comes_again(self, comes_again: bool) -> Self {
        Self { comes_again, ..self }
    }

    fn replies(self, copies: usize) -> Vec<Reply> {
        let sending = Arc::new(self);
        std::iter::repeat_with(|| Reply(Some(sending.clone()))).take(copies).collect()
    }

    /// A copy's outcome. A message that was not taken holds up the later ones from this moment, be it for one that
    /// failed which the same device sent over an earlier socket.
    fn tell(&self, outcome: Outcome) {
        if self.comes_again && matches!(outcome, Outcome::Full | Outcome::Failed | Outcome::AfterFailed) {
            self.turns.fail_at(self.towards.clone(), self.id, self.place);
        }
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.open -= 1;
        copies.outcome = copies.outcome.min(outcome);
        let (open, outcome) = (copies.open, copies.outcome);
        drop(copies);
        if open > 0 {
            return;
        }
        match &self.sender {
            Sender::Socket(frames, receiver) => frames.answer(Outgoing::Told(self.id, receiver.clone(), outcome)),
            Sender::Transaction(waiting) => {
                if let Some(waiting) = waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    // Nobody waits for it once the other homeserver has hung up.
                    let _ = waiting.send(outcome);
                }
            }
        }
    }
}

impl Reply {
    /// Whether an earlier message of the same socket to the same account failed meanwhile.
    pub(super) fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|sending| sending.turns.held(&sending.towards).is_some())
    }

    /// The receiver's homeserver will never take the message. Its sender's socket is told why, as an answer to the
    /// message's frame.
    pub(super) fn refuse(mut self, error: ErrorBody) {
        let Some(sending) = self.0.take() else { return };
        if let Sender::Socket(frames, _) = &sending.sender {
            let ErrorBody { error, code, details } = error;
            let error = ServerError { error, code, id: Some(sending.id), details };
            frames.answer(Outgoing::Answer(Box::new(ServerFrame::Error(error))));
        }
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
