//! What comes in: each message once, whatever the network repeats.

use missive_wire::{Code, Delivered, MessageId, Payload, State, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    conversations,
    mailbox::{Mailbox, Owner},
    message::{Body, Direction, StoredMessage, triple},
};
use crate::{
    Error, SignalError,
    clock::day,
    contacts, fault,
    storage::{Batch, Table},
};

/// How long a message's triple is remembered.
const REMEMBERED_DAYS: i64 = 90;

/// What became of a message, and so what its sender is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Settled {
    /// It was read and stored.
    Received,
    /// This device cannot read it.
    Undecryptable,
    /// It was read and refused.
    Refused,
}

/// What [`Mailbox::receive`] made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What its sender is to be told.
    pub settled: Settled,
    /// What was stored; `None` for a copy of what had been received before.
    pub message: Option<StoredMessage>,
}

impl Settled {
    fn of(body: &Body) -> Self {
        match body {
            Body::Text(_) | Body::Unsupported => Self::Received,
            Body::Undecryptable => Self::Undecryptable,
            Body::Refused(_) => Self::Refused,
        }
    }

    /// As a status says it.
    pub fn state(self) -> (State, Option<Code>) {
        match self {
            Self::Received => (State::Received, None),
            Self::Undecryptable => (State::Undeliverable, Some(Code::Undecryptable)),
            Self::Refused => (State::Undeliverable, Some(Code::Refused)),
        }
    }
}

/// What was read in a ciphertext.
struct Opened {
    settled: Settled,
    body: Body,
    sent_at: Timestamp,
    identity_changed: bool,
    /// The message that this one stands for.
    replaces: Option<MessageId>,
}

pub(super) async fn receive(mailbox: &Mailbox, owner: &Owner<'_>, delivered: &Delivered) -> Result<Received, Error> {
    let triple = triple(&delivered.sender, delivered.sender_device, delivered.id);
    if let Some(settled) = seen(mailbox, &triple).await? {
        return Ok(Received { settled, message: None });
    }
    fault::point("receive-begun");
    let mut batch = Batch::default();
    let opened = open(mailbox, owner, &mut batch, delivered).await?;
    batch.put_on(Table::Seen, triple, day(mailbox.now()), &opened.settled)?;
    let settled = opened.settled;
    let is_known = is_known(mailbox, delivered, opened.replaces).await?;
    let message = if is_known { None } else { keep(mailbox, &mut batch, message(delivered, opened)).await? };
    fault::point("receive-decrypted");
    mailbox.storage.commit(batch).await?;
    fault::point("receive-stored");
    Ok(Received { settled, message })
}

/// What became of a message that came before. Should its triple be forgotten early, because a clock was wrong, the message
/// itself is remembered.
async fn seen(mailbox: &Mailbox, triple: &[u8]) -> Result<Option<Settled>, Error> {
    if let Some(settled) = mailbox.storage.get::<Settled>(Table::Seen, triple).await? {
        return Ok(Some(settled));
    }
    for table in [Table::Message, Table::Hidden] {
        if let Some(message) = mailbox.storage.get::<StoredMessage>(table, triple).await? {
            return Ok(Some(Settled::of(&message.body)));
        }
    }
    Ok(None)
}

/// Forgets triples that no honest server repeats any more.
pub(super) fn forget_old(batch: &mut Batch, now: Timestamp) {
    batch.forget(Table::Seen, day(now) - REMEMBERED_DAYS);
}

/// Stores a message. One from a blocked account is put aside, and is none that anybody is told of.
async fn keep(mailbox: &Mailbox, batch: &mut Batch, message: StoredMessage) -> Result<Option<StoredMessage>, Error> {
    if contacts::is_blocked(&mailbox.storage, &message.peer).await? {
        batch.put_for(Table::Hidden, message.key(), &message.peer, &message)?;
        return Ok(None);
    }
    batch.put_for(Table::Message, message.key(), &message.peer, &message)?;
    conversations::note(batch, &message, mailbox.now())?;
    conversations::note_unread(batch, &message)?;
    Ok(Some(message))
}

fn message(delivered: &Delivered, opened: Opened) -> StoredMessage {
    StoredMessage {
        id: delivered.id,
        direction: Direction::In,
        peer: delivered.sender.clone(),
        sender_device: delivered.sender_device,
        sent_at: opened.sent_at,
        body: opened.body,
        state: None,
        code: None,
        identity_changed: opened.identity_changed,
        again: None,
        mismatches: 0,
    }
}

async fn open(mailbox: &Mailbox, owner: &Owner<'_>, batch: &mut Batch, delivered: &Delivered) -> Result<Opened, Error> {
    let Delivered { sender, sender_device, kind, content, sent_at, .. } = delivered;
    let mut changes = Batch::default();
    let decrypted = owner.signal()?.decrypt(&mut changes, sender, *sender_device, *kind, &content.decode()).await;
    let decrypted = match decrypted {
        Ok(decrypted) => decrypted,
        Err(SignalError::Undecryptable(reason)) => {
            tracing::warn!(id = %delivered.id, reason, "a message cannot be decrypted");
            return Ok(Opened {
                settled: Settled::Undecryptable,
                body: Body::Undecryptable,
                sent_at: *sent_at,
                identity_changed: false,
                replaces: None,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let identity_changed = decrypted.identity_changed;
    Ok(match check(mailbox, delivered, &decrypted.plaintext) {
        Ok(payload) => {
            batch.append(changes);
            Opened {
                settled: Settled::Received,
                body: payload.body.text.map_or(Body::Unsupported, Body::Text),
                sent_at: payload.sent_at,
                identity_changed,
                replaces: payload.replaces,
            }
        }
        // Nothing is learnt from it, least of all whose key that is.
        Err(reason) => Opened {
            settled: Settled::Refused,
            body: Body::Refused(reason),
            sent_at: *sent_at,
            identity_changed,
            replaces: None,
        },
    })
}

/// The frame's names are the network's word; the payload's are the sender's. They must agree.
fn check(mailbox: &Mailbox, delivered: &Delivered, plaintext: &[u8]) -> Result<Payload, String> {
    let payload = Payload::from_plaintext(plaintext).map_err(|error| error.to_string())?;
    let named = [
        (payload.sender == delivered.sender, "sender"),
        (payload.receiver == mailbox.own, "receiver"),
        (payload.id == delivered.id, "id"),
    ];
    match named.into_iter().find(|(same, _)| !same) {
        None => Ok(payload),
        Some((_, what)) => Err(format!("its {what} is not the one that it was encrypted with")),
    }
}

/// Whether the message stands for one that this device has.
async fn is_known(mailbox: &Mailbox, delivered: &Delivered, replaces: Option<MessageId>) -> Result<bool, Error> {
    let Some(id) = replaces else { return Ok(false) };
    let triple = triple(&delivered.sender, delivered.sender_device, id);
    Ok(seen(mailbox, &triple).await? == Some(Settled::Received))
}
