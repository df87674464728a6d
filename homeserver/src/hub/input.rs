//! What happens to a mailbox, and what it says to its link.

use std::sync::Arc;

use missive_wire::{Code, Delivered, KeysLow, MessageId, ServerFrame, State, StatusUpdate};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::Reply;
use crate::model::MessageSelector;

/// What became of a message handed to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The device said that it has it; it was never stored.
    Received,
    /// It is durable.
    Stored,
    /// The device refused it; the status for its sender is stored and under way.
    Settled,
    /// The device is no more, or its account is revoked.
    Gone,
    /// The account's store is full.
    Full,
    /// The database did not take it; whether it did is unknown, and the sender still has it.
    Failed,
    /// An earlier message of the same socket to the same account failed for now: this one was not taken.
    AfterFailed,
}

/// What happens to a mailbox.
#[derive(Debug)]
pub enum Input {
    /// A message for the device.
    Deliver {
        /// The message.
        message: Arc<Delivered>,
        /// Hears what became of it.
        reply: Reply,
    },
    /// The device connected. A link that was there before is told 4409.
    Connect(Link),
    /// That link is gone.
    Disconnect(u64),
    /// The device settles messages.
    Settle {
        /// Which.
        which: MessageSelector,
        /// `received` or `undeliverable`.
        state: State,
        /// Why, when undeliverable.
        code: Option<Code>,
        /// Hears how many there were, once that is durable; `None` if the database did not take it.
        done: Option<oneshot::Sender<Option<u64>>>,
    },
    /// The device has stored statuses.
    AcknowledgeStatuses {
        /// The messages they were about.
        ids: Vec<MessageId>,
        /// The state they told; `None` for whatever it was.
        state: Option<State>,
        /// Hears how many there were, once that is durable.
        done: Option<oneshot::Sender<Option<u64>>>,
    },
    /// A status was stored for the device.
    Status(StatusUpdate),
    /// Something may have been stored for the device by another process.
    LookAgain,
    /// One-time keys run low.
    Keys(KeysLow),
    /// That session has ended: its link closes with 4401.
    EndSession(Uuid),
    /// Every session has ended.
    EndAll,
    /// The server stops: whatever waits in memory is stored.
    Shutdown,
}

/// The way to a connected device.
#[derive(Debug)]
pub struct Link {
    /// Tells links of the same device apart.
    pub id: u64,
    /// The session it was opened with.
    pub session: Uuid,
    /// To the task that owns the socket.
    pub frames: mpsc::Sender<Outgoing>,
}

/// What the task that owns the socket is to do.
#[derive(Debug)]
pub enum Outgoing {
    /// Greet the device: so many messages wait for it.
    Hello {
        /// How many.
        pending: u64,
    },
    /// Send a message.
    Message(Arc<Delivered>),
    /// Send a frame.
    Frame(ServerFrame),
    /// Close with a code and a reason.
    Close(u16, &'static str),
}
