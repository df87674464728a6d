//! Conversations: with whom, what was last, and what nobody has been shown yet.

use missive_wire::{Address, Base64, Timestamp};
use serde::{Deserialize, Serialize};

use super::message::{Direction, StoredMessage};
use crate::{
    Contact, Error, StorageError, contacts,
    signal::Identity,
    storage::{Batch, Storage, Table},
};

/// How many rows are looked at in one go.
const PAGE: u32 = 256;

/// What was said with one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// With whom.
    pub peer: Address,
    /// What is noted of them.
    pub contact: Contact,
    /// The newest message.
    pub last: Option<StoredMessage>,
    /// How many received messages nobody has been shown.
    pub unread: u64,
    /// Whether a changed identity key waits for acceptance.
    pub identity_changed: bool,
}

/// A conversation's row.
#[derive(Serialize, Deserialize)]
struct Entry {
    peer: Address,
    /// The newest message's row.
    last: Base64,
    /// When it came or went, by this computer's clock.
    at: Timestamp,
}

/// A message is the newest of its conversation.
pub(super) fn note(batch: &mut Batch, message: &StoredMessage, at: Timestamp) -> Result<(), StorageError> {
    let entry = Entry { peer: message.peer.clone(), last: Base64(message.key()), at };
    batch.put(Table::Conversation, message.peer.to_string(), &entry)
}

/// A message has come that nobody has been shown.
pub(super) fn note_unread(batch: &mut Batch, message: &StoredMessage) -> Result<(), StorageError> {
    let key = message.key();
    batch.put_for(Table::Unread, key.clone(), &message.peer, &Base64(key))
}

/// Messages have been shown.
pub(crate) fn mark_shown(batch: &mut Batch, messages: &[&StoredMessage]) {
    for message in messages.iter().filter(|message| message.direction == Direction::In) {
        batch.delete(Table::Unread, message.key());
    }
}

/// Every conversation, the newest first.
pub(crate) async fn list(storage: &Storage) -> Result<Vec<Conversation>, Error> {
    let mut entries: Vec<Entry> = storage.list_all(Table::Conversation).await?;
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let mut conversations = Vec::with_capacity(entries.len());
    for Entry { peer, last, .. } in entries {
        conversations.push(Conversation {
            contact: contacts::contact(storage, &peer).await?,
            last: storage.get(Table::Message, &last.0).await?,
            unread: storage.count_for(Table::Unread, &peer).await?,
            identity_changed: Identity::load(storage, &peer).await?.is_some_and(|known| known.waits_for_acceptance()),
            peer,
        });
    }
    Ok(conversations)
}

/// Received messages that nobody has been shown, after a position, oldest first.
pub(crate) async fn unread(storage: &Storage, after: i64) -> Result<Vec<(i64, StoredMessage)>, Error> {
    let mut messages = Vec::new();
    for (position, key) in storage.list_after::<Base64>(Table::Unread, after, PAGE).await? {
        if let Some(message) = storage.get(Table::Message, &key.0).await? {
            messages.push((position, message));
        }
    }
    Ok(messages)
}
