//! The queue of a socket: what the task that owns it is to write, from its device's mailbox and from the mailboxes that
//! its messages went to. It takes no memory while it is empty.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use missive_wire::{Address, Delivered, MessageId, ServerFrame};
use tokio::sync::Notify;

use super::Outcome;

/// Frames of a mailbox that may wait for a slow socket: the window of messages, that of statuses, and room for the rest.
pub const ROOM: usize = 512;

/// What the task that owns a socket is to do.
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
    Frame(Box<ServerFrame>),
    /// Tell what became of a message of the socket's own, to that receiver.
    Told(MessageId, Address, Outcome),
    /// Send the answer to a frame of the socket's own.
    Answer(Box<ServerFrame>),
    /// Close with a code and a reason.
    Close(u16, &'static str),
}

/// A socket's queue. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Frames(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Debug)]
struct Waiting {
    outgoing: VecDeque<Outgoing>,
    /// How many more frames of the mailbox find room.
    room: usize,
    /// Whether the mailbox has let go of the link.
    let_go: bool,
    /// Whether the socket has ended: nothing is kept for it.
    ended: bool,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { outgoing: VecDeque::new(), room: ROOM, let_go: false, ended: false }
    }
}

impl Frames {
    /// A queue with room for so many frames of the mailbox.
    pub fn with_room(room: usize) -> Self {
        let frames = Self::default();
        frames.lock().room = room;
        frames
    }

    /// Queues a frame of the mailbox; false if there is no room for it.
    pub(super) fn send(&self, outgoing: Outgoing) -> bool {
        let mut waiting = self.lock();
        if waiting.room == 0 || waiting.let_go || waiting.ended {
            return false;
        }
        waiting.room -= 1;
        waiting.outgoing.push_back(outgoing);
        drop(waiting);
        self.0.ready.notify_one();
        true
    }

    /// Queues what the socket itself has asked for. That finds room always: the socket bounds how much it asks for at a
    /// time.
    pub fn answer(&self, outgoing: Outgoing) {
        let mut waiting = self.lock();
        if waiting.ended {
            return;
        }
        waiting.outgoing.push_back(outgoing);
        drop(waiting);
        self.0.ready.notify_one();
    }

    /// The socket has ended: what waits for it is dropped, and so is what comes.
    pub fn end(&self) {
        let mut waiting = self.lock();
        waiting.ended = true;
        let dropped = std::mem::take(&mut waiting.outgoing);
        drop(waiting);
        drop(dropped);
    }

    /// The mailbox sends nothing more.
    pub(super) fn let_go(&self) {
        self.lock().let_go = true;
        self.0.ready.notify_one();
    }

    /// Whether the mailbox has let go of the link.
    pub fn is_let_go(&self) -> bool {
        self.lock().let_go
    }

    /// The mailbox's word to close, if one waits.
    pub fn close(&self) -> Option<(u16, &'static str)> {
        self.lock().outgoing.iter().find_map(Outgoing::close)
    }

    /// Takes all that waits; `taken` is used again, so that a busy socket allocates nothing.
    pub fn take(&self, taken: &mut VecDeque<Outgoing>) {
        debug_assert!(taken.is_empty());
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.outgoing, taken);
        waiting.room += taken.iter().filter(|outgoing| outgoing.takes_room()).count();
    }

    /// Waits until something waits, or the mailbox has let go. Only one task may wait.
    pub async fn ready(&self) {
        self.until(|waiting| !waiting.outgoing.is_empty() || waiting.let_go).await;
    }

    /// Waits until something waits, though the mailbox may have let go. Only one task may wait.
    pub async fn filled(&self) {
        self.until(|waiting| !waiting.outgoing.is_empty()).await;
    }

    async fn until(&self, holds: impl Fn(&Waiting) -> bool) {
        while !holds(&self.lock()) {
            self.0.ready.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing {
    /// The code and reason of a word to close.
    pub fn close(&self) -> Option<(u16, &'static str)> {
        match self {
            Self::Close(code, reason) => Some((*code, *reason)),
            _ => None,
        }
    }

    /// Whether it answers a frame of the socket's own.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Told(..) | Self::Answer(_))
    }

    /// Whether it is of the mailbox.
    fn takes_room(&self) -> bool {
        !self.is_answer()
    }
}
