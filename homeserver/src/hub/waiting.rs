//! What waits in a mailbox, and for whose sake.

use std::sync::Arc;

use missive_wire::Delivered;
use tokio::{sync::oneshot, time::Instant};

use super::{Notice, Op, Outcome, Reply};
use crate::model::MessageSelector;

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) message: Arc<Delivered>,
    pub(super) replies: Vec<Reply>,
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) struct Queued {
    pub(super) op: Op,
    pub(super) replies: Vec<Reply>,
    pub(super) done: Option<oneshot::Sender<Option<u64>>>,
    /// The link that the message was sent over before it was spilled.
    pub(super) sent_over: Option<u64>,
    /// Whose message a `PutStatus` settles.
    pub(super) notice: Option<Notice>,
}

impl Queued {
    pub(super) fn of(op: Op) -> Self {
        Self { op, replies: Vec::new(), done: None, sent_over: None, notice: None }
    }
}

pub(super) fn same(one: &Delivered, other: &Delivered) -> bool {
    one.id == other.id && same_sender(one, other)
}

pub(super) fn same_sender(one: &Delivered, other: &Delivered) -> bool {
    one.sender_device == other.sender_device && one.sender == other.sender
}

pub(super) fn means(which: &MessageSelector, message: &Delivered) -> bool {
    match which {
        MessageSelector::Triple(sender, device, id) => {
            *id == message.id && *device == message.sender_device && *sender == message.sender
        }
        MessageSelector::Id(id) => *id == message.id,
        MessageSelector::Row(row) => {
            row.message_id == message.id && row.sender_device == message.sender_device && row.sender == message.sender
        }
    }
}

pub(super) fn answer(replies: Vec<Reply>, outcome: Outcome) {
    for reply in replies {
        reply.tell(outcome);
    }
}
