//! Encrypting again: what a receiver could not read goes out once more, under a new id that says what it stands for;
//! what was encrypted for other devices than the receiver has goes out under the same id.

use missive_wire::{Address, Code, MessageId, Payload, State, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    mailbox::{Mailbox, Owner},
    message::{StatusChange, StoredMessage, sent_key},
    outbox,
};
use crate::{
    Error, contacts, fault,
    storage::{Batch, Table},
};

/// How often a message's device set may be out of date before it is given up.
const MISMATCHES_MAX: u8 = 5;

/// A message that waits to be encrypted again, for its receiver's present keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Again {
    /// The message, by the id that it is kept under.
    pub message: MessageId,
    /// The id that it goes out under.
    pub under: MessageId,
    /// To whom it goes.
    pub to: Address,
    /// Since when it waits.
    pub since: Timestamp,
}

/// The message that a status or an error is about, by the id that it is kept under.
pub(super) async fn original(mailbox: &Mailbox, id: MessageId) -> Result<MessageId, Error> {
    Ok(mailbox.storage.get(Table::Alias, id.as_bytes()).await?.unwrap_or(id))
}

/// Whether a message that never will be received in this form may be encrypted once more.
pub(super) fn is_due(message: &StoredMessage, code: Option<Code>) -> bool {
    matches!(code, Some(Code::Undecryptable | Code::DeviceMismatch))
        && message.again.is_none()
        && message.text().is_some()
}

/// Whether a message that was not taken may be encrypted for other devices.
pub(super) fn is_due_for_devices(message: &StoredMessage, code: Code) -> bool {
    code == Code::DeviceMismatch && message.mismatches < MISMATCHES_MAX && message.text().is_some()
}

/// Whether a message to that account waits to be encrypted again.
pub(super) async fn waits_for(mailbox: &Mailbox, to: &Address) -> Result<bool, Error> {
    Ok(mailbox.storage.count_for(Table::Again, to).await? > 0)
}

/// Has a new message encrypted behind those that wait.
pub(super) fn queue(batch: &mut Batch, id: MessageId, to: &Address, since: Timestamp) -> Result<(), Error> {
    let again = Again { message: id, under: id, to: to.clone(), since };
    Ok(batch.put_for(Table::Again, id.as_bytes(), to, &again)?)
}

/// Has a message encrypted again under a new id.
pub(super) fn schedule(
    batch: &mut Batch,
    message: &mut StoredMessage,
    refused: MessageId,
    now: Timestamp,
) -> Result<(), Error> {
    let under = Uuid::now_v7();
    message.again = Some(under);
    batch.put(Table::Alias, under.as_bytes(), &message.id)?;
    put(batch, message, refused, under, now)
}

/// Has a message encrypted again under the id that it had.
pub(super) fn schedule_for_devices(
    batch: &mut Batch,
    message: &mut StoredMessage,
    id: MessageId,
    now: Timestamp,
) -> Result<(), Error> {
    message.mismatches += 1;
    put(batch, message, id, id, now)
}

/// Encrypts it. Fails with [`NoSession`](crate::SignalError::NoSession) when the receiver's keys must be claimed first.
pub(super) async fn encrypt(mailbox: &Mailbox, owner: &Owner<'_>, again: &Again) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.delete(Table::Again, again.message.as_bytes());
    if contacts::is_blocked(&mailbox.storage, &again.to).await? {
        return Err(Error::Blocked(again.to.clone()));
    }
    let message: Option<StoredMessage> = mailbox.storage.get(Table::Message, &sent_key(again.message)).await?;
    if let Some(message) = message.filter(|message| message.state.is_none_or(|state| state == State::Sent))
        && let Some(text) = message.text()
    {
        let to = again.to.clone();
        let payload = Payload::text(again.under, mailbox.own.clone(), to, message.sent_at, text.to_owned());
        let replaces = (again.under != again.message).then_some(again.message);
        outbox::encrypt(mailbox, owner, &mut batch, &Payload { replaces, ..payload }).await?;
    }
    fault::point("again-encrypted");
    mailbox.storage.commit(batch).await?;
    fault::point("again-stored");
    Ok(())
}

/// Gives it up.
pub(super) async fn give_up(mailbox: &Mailbox, again: &Again, code: Code) -> Result<Option<StatusChange>, Error> {
    let mut batch = Batch::default();
    batch.delete(Table::Again, again.message.as_bytes());
    let message: Option<StoredMessage> = mailbox.storage.get(Table::Message, &sent_key(again.message)).await?;
    let change = match message {
        Some(message) if message.state.is_none_or(|known| known < State::Undeliverable) => {
            let (id, receiver, state) = (message.id, message.peer.clone(), State::Undeliverable);
            let message = StoredMessage { state: Some(state), code: Some(code), ..message };
            batch.put_for(Table::Message, message.key(), &receiver, &message)?;
            Some(StatusChange { id, receiver, state, code: Some(code) })
        }
        _ => None,
    };
    mailbox.storage.commit(batch).await?;
    Ok(change)
}

fn put(
    batch: &mut Batch,
    message: &StoredMessage,
    refused: MessageId,
    under: MessageId,
    since: Timestamp,
) -> Result<(), Error> {
    batch.delete(Table::Outbox, refused.as_bytes());
    let again = Again { message: message.id, under, to: message.peer.clone(), since };
    batch.put_for(Table::Again, message.id.as_bytes(), &message.peer, &again)?;
    Ok(batch.put_for(Table::Message, message.key(), &message.peer, message)?)
}
