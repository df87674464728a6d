//! What became of what was sent. States only rise, and only a message's receiver can tell them.

use missive_wire::{Code, MessageId, State, StatusUpdate};

use super::{
    mailbox::{Mailbox, Owner},
    message::{StatusChange, StoredMessage},
    outbox::{self, message_key},
};
use crate::{
    Error,
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
}

pub(super) async fn apply(mailbox: &Mailbox, owner: &Owner<'_>, update: &StatusUpdate) -> Result<Applied, Error> {
    let mut batch = Batch::default();
    let mut applied = Applied::default();
    for id in update.ids() {
        let message = mailbox.storage.get::<StoredMessage>(Table::Message, &message_key(id)).await?;
        if message.as_ref().is_some_and(|message| message.peer != update.sender) {
            tracing::warn!(%id, "a status is not from the message's receiver");
            continue;
        }
        applied.genuine.push(id);
        if let Some(message) = message.filter(|message| rises(message, update.state)) {
            let change = change(mailbox, owner, &mut batch, message, update.state, update.code).await?;
            applied.changes.push(change);
        } else if update.state == State::Sent {
            // Sent again after a restore: once is enough.
            outbox::mark_sent(mailbox, &mut batch, id).await?;
        }
    }
    mailbox.storage.commit(batch).await?;
    Ok(applied)
}

pub(super) async fn fail(
    mailbox: &Mailbox,
    owner: &Owner<'_>,
    id: MessageId,
    code: Code,
) -> Result<Option<StatusChange>, Error> {
    let Some(message) = mailbox.storage.get::<StoredMessage>(Table::Message, &message_key(id)).await? else {
        return Ok(None);
    };
    if !rises(&message, State::Undeliverable) {
        return Ok(None);
    }
    let mut batch = Batch::default();
    let change = change(mailbox, owner, &mut batch, message, State::Undeliverable, Some(code)).await?;
    mailbox.storage.commit(batch).await?;
    Ok(Some(change))
}

fn rises(message: &StoredMessage, state: State) -> bool {
    message.state.is_none_or(|known| known < state)
}

async fn change(
    mailbox: &Mailbox,
    owner: &Owner<'_>,
    batch: &mut Batch,
    message: StoredMessage,
    state: State,
    code: Option<Code>,
) -> Result<StatusChange, Error> {
    let (id, receiver) = (message.id, message.peer.clone());
    let code = code.filter(|_| state == State::Undeliverable);
    match state {
        State::Sent => outbox::mark_sent(mailbox, batch, id).await?,
        State::Undeliverable | State::Received | State::Read => batch.delete(Table::Outbox, id.as_bytes()),
    }
    if matches!(code, Some(Code::Undecryptable | Code::DeviceMismatch)) {
        // The other side has lost the session, or has other devices: the next message claims its keys anew.
        owner.signal()?.forget_sessions(batch, &receiver).await?;
    }
    let message = StoredMessage { state: Some(state), code, ..message };
    batch.put_for(Table::Message, message_key(id), &receiver, &message)?;
    Ok(StatusChange { id, receiver, state, code })
}
