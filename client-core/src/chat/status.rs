//! What became of what was sent. States only rise, and only a message's receiver can tell them.

use std::collections::HashSet;

use missive_wire::{Address, Code, MessageId, State, StatusUpdate};

use super::{
    again,
    mailbox::{Mailbox, Owner},
    message::{StatusChange, StoredMessage, sent_key},
    outbox::{self, Outgoing},
};
use crate::{
    Error, fault,
    storage::{Batch, Table},
};

/// What [`Mailbox::apply_status`] made of a status update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What it changed.
    pub changes: Vec<StatusChange>,
    /// The messages it could speak for: it may be acknowledged for these. A message whose receiver did not say it is
    /// none of them.
    pub genuine: Vec<MessageId>,
    /// Whether a message is to be encrypted again.
    pub again: bool,
}

/// What a failed message came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// It never will be received.
    For(StatusChange),
    /// It is to be encrypted again.
    Again,
    /// It has come further already, or is none of ours.
    Not,
}

pub(super) async fn apply(mailbox: &Mailbox, owner: &Owner<'_>, update: &StatusUpdate) -> Result<Applied, Error> {
    let mut batch = Batch::default();
    let mut applied = Applied::default();
    // A frame may name a message twice.
    let mut seen = HashSet::new();
    for id in update.ids().filter(|id| seen.insert(*id)) {
        let key = sent_key(again::original(mailbox, id).await?);
        let message = mailbox.storage.get::<StoredMessage>(Table::Message, &key).await?;
        if message.as_ref().is_some_and(|message| message.peer != update.sender) {
            tracing::warn!(%id, "a status is not from the message's receiver");
            continue;
        }
        applied.genuine.push(id);
        if let Some(message) = message.filter(|message| rises(message, id, update.state)) {
            match change(mailbox, owner, &mut batch, message, id, update.state, update.code).await? {
                Some(change) => applied.changes.push(change),
                None => applied.again = true,
            }
        } else if update.state == State::Sent {
            // Sent again after a restore: once is enough.
            outbox::mark_sent(mailbox, &mut batch, id).await?;
        }
    }
    fault::point("status-applied");
    mailbox.storage.commit(batch).await?;
    fault::point("status-stored");
    Ok(applied)
}

pub(super) async fn fail(mailbox: &Mailbox, owner: &Owner<'_>, id: MessageId, code: Code) -> Result<Failed, Error> {
    let key = sent_key(again::original(mailbox, id).await?);
    let Some(mut message) = mailbox.storage.get::<StoredMessage>(Table::Message, &key).await? else {
        return Ok(Failed::Not);
    };
    if !rises(&message, id, State::Undeliverable) {
        return Ok(Failed::Not);
    }
    let mut batch = Batch::default();
    let failed = if again::is_due_for_devices(&message, code) {
        forget_sessions_of(mailbox, owner, &mut batch, id, &message.peer).await?;
        again::schedule_for_devices(&mut batch, &mut message, id, mailbox.now())?;
        Failed::Again
    } else {
        let state = State::Undeliverable;
        let change = change(mailbox, owner, &mut batch, message, id, state, Some(code)).await?;
        change.map_or(Failed::Again, Failed::For)
    };
    mailbox.storage.commit(batch).await?;
    Ok(failed)
}

/// A message that was encrypted again is not undeliverable because its first form was.
fn rises(message: &StoredMessage, id: MessageId, state: State) -> bool {
    let is_old_form = message.again.is_some_and(|again| again != id);
    message.state.is_none_or(|known| known < state) && !(is_old_form && state == State::Undeliverable)
}

/// `None` when the message is to be encrypted again instead.
async fn change(
    mailbox: &Mailbox,
    owner: &Owner<'_>,
    batch: &mut Batch,
    mut message: StoredMessage,
    id: MessageId,
    state: State,
    code: Option<Code>,
) -> Result<Option<StatusChange>, Error> {
    let receiver = message.peer.clone();
    let code = code.filter(|_| state == State::Undeliverable);
    if matches!(code, Some(Code::Undecryptable | Code::DeviceMismatch)) {
        // The other side has lost the session, or has other devices: the next message claims its keys anew.
        forget_sessions_of(mailbox, owner, batch, id, &receiver).await?;
    }
    if again::is_due(&message, code) {
        again::schedule(batch, &mut message, id, mailbox.now())?;
        return Ok(None);
    }
    match state {
        State::Sent => outbox::mark_sent(mailbox, batch, id).await?,
        State::Undeliverable | State::Received | State::Read => {
            for form in [Some(message.id), message.again].into_iter().flatten() {
                batch.delete(Table::Outbox, form.as_bytes());
            }
        }
    }
    let message = StoredMessage { state: Some(state), code, ..message };
    batch.put_for(Table::Message, message.key(), &receiver, &message)?;
    Ok(Some(StatusChange { id: message.id, receiver, state, code }))
}

/// Stops using the sessions that a message was encrypted with, unless there are others by now: a later message would
/// otherwise undo what an earlier one has had built.
async fn forget_sessions_of(
    mailbox: &Mailbox,
    owner: &Owner<'_>,
    batch: &mut Batch,
    id: MessageId,
    receiver: &Address,
) -> Result<(), Error> {
    let outgoing: Option<Outgoing> = mailbox.storage.get(Table::Outbox, id.as_bytes()).await?;
    let signal = owner.signal()?;
    let present = signal.session_mark(receiver).await?;
    // Of one that is let go it is not known; then they are.
    if outgoing.is_none_or(|outgoing| present == Some(outgoing.sessions)) {
        signal.forget_sessions(batch, receiver).await?;
    }
    Ok(())
}
