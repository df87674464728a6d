//! What the hand-over writes: operations that the writer gathers into one transaction.

use std::sync::Arc;

use missive_wire::{Address, Code, Delivered, MessageId, State};
use uuid::Uuid;

use super::{Claimed, Quota, Refusal};
use crate::model::{DeviceKey, MessageSelector, NewStatus, SettledRow};

/// One write of the hand-over.
#[derive(Debug, Clone)]
pub enum WriteOp {
    /// Keep a message for a device. A copy that is there already is not kept twice.
    Store {
        /// The receiving device.
        device: DeviceKey,
        /// The message.
        message: Arc<Delivered>,
        /// What the account may hold.
        quota: Quota,
    },
    /// A device settles pending messages: their rows go, and their senders' statuses are stored, in one commit.
    Settle {
        /// The settling device.
        device: DeviceKey,
        /// Its account's address: who speaks in the statuses.
        receiver: Address,
        /// Which messages.
        which: MessageSelector,
        /// `received` or `undeliverable`.
        state: State,
        /// Why, when undeliverable.
        code: Option<Code>,
    },
    /// Keep a status for the device that sent the message. States only rise. One that the speaker was not asked for has
    /// to find room in the speaker's share.
    PutStatus(NewStatus, Option<Quota>),
    /// A device has stored these statuses.
    AcknowledgeStatuses {
        /// The device.
        device: DeviceKey,
        /// The messages they were about.
        ids: Vec<MessageId>,
        /// The state they told; `None` for whatever it was.
        state: Option<State>,
    },
    /// Take a bundle of every device of an account that has published keys, with its oldest one-time keys.
    Claim {
        /// The account.
        account: Uuid,
    },
}

/// What an operation came to.
#[derive(Debug, Clone)]
pub enum WriteResult {
    /// The message is durable, at this place of the device's order; `new` unless it was there already.
    Stored {
        /// Its place.
        seq: i64,
        /// Whether it was not there before.
        new: bool,
    },
    /// The device is no more, or its account is revoked.
    Gone,
    /// The account's store is full.
    Full,
    /// These rows were settled.
    Settled(Vec<SettledRow>),
    /// Done: so many rows.
    Done(u64),
    /// The bundle is the claimer's, or why there is none. Run twice, it takes other keys.
    Claimed(std::result::Result<Claimed, Refusal>),
}
