//! What the hand-over writes: operations that the writer gathers into one transaction.

use std::sync::Arc;

use missive_wire::{Address, Code, Delivered, MessageId, State};

use super::{Quota, Result, Shares, Tx};
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
}

impl WriteOp {
    /// Runs operations of one device's queue, in their order. A message behind one that found no room does not overtake
    /// it, however small it is.
    pub(crate) async fn run_all(ops: &[Self], tx: &mut Tx, shares: &mut Shares) -> Result<Vec<WriteResult>> {
        let mut results = Vec::with_capacity(ops.len());
        let mut full: Vec<&Self> = Vec::new();
        for op in ops {
            let result = if full.iter().any(|earlier| earlier.is_of_same_pair(op)) {
                WriteResult::Full
            } else {
                op.run(tx, shares).await?
            };
            if matches!(result, WriteResult::Full) {
                full.push(op);
            }
            results.push(result);
        }
        Ok(results)
    }

    /// Whether both store messages from one device to one device.
    fn is_of_same_pair(&self, other: &Self) -> bool {
        let (Self::Store { device, message, .. }, Self::Store { device: to, message: next, .. }) = (self, other) else {
            return false;
        };
        device == to && message.sender_device == next.sender_device && message.sender == next.sender
    }

    /// Runs the operation in a transaction.
    async fn run(&self, tx: &mut Tx, shares: &mut Shares) -> Result<WriteResult> {
        match self {
            Self::Store { device, message, quota } => tx.store_message(*device, message, *quota, shares).await,
            Self::Settle { device, receiver, which, state, code } => {
                let rows = tx.take_messages(*device, which, shares).await?;
                for row in &rows {
                    let Some(sender) = row.sender else { continue };
                    let status = NewStatus {
                        device: sender,
                        message_id: row.message_id,
                        state: *state,
                        sender: receiver.clone(),
                        code: *code,
                    };
                    tx.put_status(&status, None, shares).await?;
                }
                Ok(WriteResult::Settled(rows))
            }
            Self::PutStatus(status, quota) => tx.put_status(status, *quota, shares).await,
            Self::AcknowledgeStatuses { device, ids, state } => {
                Ok(WriteResult::Done(tx.acknowledge_statuses(*device, ids, *state, shares).await?))
            }
        }
    }
}
