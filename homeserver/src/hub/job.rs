//! What a mailbox asks of the database, and what that came to.

use std::sync::Arc;

use missive_wire::{Code, Delivered, MessageId, State, StatusEnvelope};

use crate::model::{MessageSelector, NewStatus, SettledRow, StoredMessage, StoredStatus};

/// What the database is to do for the device, one at a time.
#[derive(Debug)]
pub enum Job {
    /// Count what is stored.
    Count,
    /// Read the oldest messages.
    Read(Reading),
    /// Read the oldest statuses.
    ReadStatuses(usize),
    /// Write, in this order.
    Write(Vec<Op>),
}

/// Which of the oldest messages to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Nothing waits at a place below this one.
    pub floor: i64,
    /// Not those at these places: they are on the device.
    pub except: Vec<i64>,
    /// At most so many.
    pub limit: usize,
}

/// A write of the device's.
#[derive(Debug, Clone)]
pub enum Op {
    /// Keep a message.
    Store(Arc<Delivered>),
    /// Settle messages.
    Settle(MessageSelector, State, Option<Code>),
    /// Keep a status for a message's sender.
    PutStatus(NewStatus),
    /// Keep a status of one message for the homeserver of its sender.
    TellElsewhere(StatusEnvelope),
    /// Forget statuses.
    AcknowledgeStatuses(Vec<MessageId>, Option<State>),
}

/// What a job came to.
#[derive(Debug)]
pub enum Done {
    /// So many messages; the newest's place.
    Counted(u64, i64),
    /// These messages, oldest first.
    Read(Vec<StoredMessage>),
    /// These statuses, oldest first.
    ReadStatuses(Vec<StoredStatus>),
    /// One result for each write.
    Written(Vec<Written>),
    /// The database failed.
    Failed,
}

/// What a write came to.
#[derive(Debug)]
pub enum Written {
    /// The message is durable at this place; whether it was not there before.
    Stored(i64, bool),
    /// The device is no more.
    Gone,
    /// The account's store is full.
    Full,
    /// These rows were settled.
    Settled(Vec<SettledRow>),
    /// So many rows.
    Rows(u64),
}
