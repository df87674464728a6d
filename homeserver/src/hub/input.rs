//! What happens to a mailbox.

use std::{sync::Arc, time::Duration};

use missive_wire::{Code, Delivered, KeysLow, MessageId, PeerIncarnation, State, StatusUpdate};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Frames, Reply};
use crate::model::MessageSelector;

/// What happens to a mailbox.
#[derive(Debug)]
pub enum Input {
    /// A message for the device.
    Deliver {
        /// The message.
        message: Arc<Delivered>,
        /// Hears what became of it.
        reply: Reply,
        /// How long it may wait in memory for the device's `received` before it is stored.
        wait: Duration,
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
    /// Another server was restored.
    PeerRestored(PeerIncarnation),
    /// That session has ended: its link closes with 4401.
    EndSession(Uuid),
    /// Every session has ended.
    EndAll,
    /// The server stops: whatever waits in memory is stored.
    Shutdown,
}

/// The way to a connected device. Where it is dropped, its socket sees that the mailbox has let go.
#[derive(Debug)]
pub struct Link {
    /// Tells links of the same device apart.
    pub id: u64,
    /// The session it was opened with.
    pub session: Uuid,
    /// To the task that owns the socket.
    pub frames: Frames,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.frames.let_go();
    }
}
