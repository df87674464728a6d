//! `read`: told to a message's sender until the homeserver has noted it.

use missive_wire::{Address, DeviceId, MessageId};
use serde::{Deserialize, Serialize};

use super::{
    conversations,
    mailbox::Mailbox,
    message::{Body, Direction, StoredMessage},
};
use crate::{
    Error,
    storage::{Batch, Storage, Table},
};

/// A `read` status that the server has not noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwedRead {
    pub(crate) id: MessageId,
    pub(crate) sender: Address,
    pub(crate) device: DeviceId,
}

impl Mailbox {
    /// Notes that messages of an account were shown; their sender is told until the server has noted it.
    pub async fn mark_read(&self, messages: &[&StoredMessage]) -> Result<(), Error> {
        mark_read(&self.storage, messages).await
    }

    pub(crate) async fn owed_reads(&self, after: i64, limit: u32) -> Result<Vec<(i64, OwedRead)>, Error> {
        Ok(self.storage.list_after(Table::Owed, after, limit).await?)
    }

    /// The homeserver will never take this `read`, and so none of those to the same sender.
    pub(crate) async fn reads_refused(&self, id: MessageId) -> Result<(), Error> {
        let Some(refused) = self.storage.get::<OwedRead>(Table::Owed, id.as_bytes()).await? else { return Ok(()) };
        let mut batch = Batch::default();
        for owed in self.storage.list_all::<OwedRead>(Table::Owed).await? {
            if (&owed.sender, owed.device) == (&refused.sender, refused.device) {
                batch.delete(Table::Owed, owed.id.as_bytes());
            }
        }
        Ok(self.storage.commit(batch).await?)
    }

    pub(crate) async fn reads_noted(&self, ids: &[MessageId]) -> Result<(), Error> {
        let mut batch = Batch::default();
        for id in ids {
            batch.delete(Table::Owed, id.as_bytes());
        }
        Ok(self.storage.commit(batch).await?)
    }
}

/// Notes that messages were shown, and owes their senders the word.
pub(crate) async fn mark_read(storage: &Storage, messages: &[&StoredMessage]) -> Result<(), Error> {
    let mut batch = Batch::default();
    conversations::mark_shown(&mut batch, messages);
    let readable = |message: &&&StoredMessage| {
        message.direction == Direction::In && matches!(message.body, Body::Text(_) | Body::Unsupported)
    };
    for message in messages.iter().filter(readable) {
        let owed = OwedRead { id: message.id, sender: message.peer.clone(), device: message.sender_device };
        batch.put(Table::Owed, message.id.as_bytes(), &owed)?;
    }
    Ok(storage.commit(batch).await?)
}
