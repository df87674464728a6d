//! What the hand-over writes: operations that the writer gathers into one transaction.

use std::sync::Arc;

use missive_wire::{Address, Code, Delivered, MessageId, ServerName, State, Timestamp};
use uuid::Uuid;

use super::{Claimed, Quota, Refusal};
use crate::model::{DeviceKey, MessageSelector, NewEnvelope, NewStatus, OutboxRow, SettledRow};

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
    /// Keep an envelope until another homeserver says that it has it. A copy that is there already is not kept twice.
    Enqueue {
        /// The envelope.
        envelope: Arc<NewEnvelope>,
        /// What the account on whose behalf it goes may hold. Without it, the envelope is kept in any case.
        quota: Option<Quota>,
    },
    /// Another homeserver has said what becomes of an envelope: its row goes, and what the sending device is told is
    /// kept, in one commit. Where the row is gone already, nothing is told.
    Dequeue {
        /// The envelope's row.
        row: OutboxRow,
        /// What is told.
        status: Option<NewStatus>,
    },
    /// Remember a nonce of another homeserver's request: one row if it is new, none if it is known. Run twice, it is
    /// known; what was refused for that comes again with another.
    Admit {
        /// The other homeserver.
        origin: ServerName,
        /// Its nonce.
        nonce: String,
        /// Until when it is remembered.
        expires_at: Timestamp,
    },
    /// Remember the answer to a transaction: one row if it is the first, none if there is one, which stays.
    KeepAnswer {
        /// Whose transaction it was.
        origin: ServerName,
        /// Its id.
        id: String,
        /// The digest of its body.
        digest: Vec<u8>,
        /// The results, as JSON.
        results: String,
        /// When it was answered.
        at: Timestamp,
    },
    /// Take a bundle of every device of an account that has published keys, with its oldest one-time keys.
    Claim {
        /// The account.
        account: Uuid,
        /// For which other homeserver, if it is for one.
        remote: Option<RemoteClaimOp>,
    },
}

/// A claim for another homeserver. The same again gets the same keys, for a day.
#[derive(Debug, Clone)]
pub struct RemoteClaimOp {
    /// The other homeserver.
    pub origin: ServerName,
    /// Its id for the claim.
    pub claim_id: Uuid,
    /// When it asks.
    pub at: Timestamp,
    /// How many one-time keys of each kind and device stay here for others to claim.
    pub reserve: usize,
}

/// What an operation came to.
#[derive(Debug, Clone)]
pub enum WriteResult {
    /// The message is durable, at this place of the device's order, or the envelope, at this place of its lane; `new`
    /// unless it was there already.
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
    /// The bundle is the claimer's, or why there is none. Run twice, it takes other keys, unless it is for another
    /// homeserver.
    Claimed(std::result::Result<Claimed, Refusal>),
}
