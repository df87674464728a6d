//! What is on its way out: the ciphertext is kept until someone has acknowledged it.

use std::fmt;

use missive_wire::{
    Address, ClientFrame, DeviceContent, DeviceId, FRAME_MAX_BYTES, MessageContent, MessageFrame, MessageId, Payload,
    Receiver, Timestamp,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    again, conversations,
    mailbox::{Mailbox, Owner},
    message::{Body, Direction, StoredMessage},
};
use crate::{
    Error, SignalError, contacts, fault,
    signal::{Encrypted, SessionMark},
    storage::{Batch, Table},
};

/// How many rows are looked at in one go.
const PAGE: u32 = 256;

/// What fits into a ciphertext, with room for what a first message adds.
const PLAINTEXT_MAX_BYTES: usize = 140_000;

/// A ciphertext that waits to be acknowledged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// The message's id.
    pub id: MessageId,
    /// To whom it goes.
    pub receiver: Address,
    /// When it was encrypted.
    pub since: Timestamp,
    /// Whether a homeserver has said that it holds it.
    pub sent: bool,
    /// The frame to send, again and again the same.
    pub frame: String,
    /// With which sessions it was encrypted.
    pub(crate) sessions: SessionMark,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("id", &self.id).field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Encrypts and stores in one commit: the ratchet, the message, the ciphertext, and what `beside` adds.
pub(super) async fn compose(
    mailbox: &Mailbox,
    owner: &Owner<'_>,
    to: &Address,
    text: &str,
    beside: impl FnOnce(&mut Batch, MessageId) -> Result<(), Error>,
) -> Result<MessageId, Error> {
    if *to == mailbox.own {
        return Err(Error::OwnAddress);
    }
    if contacts::is_blocked(&mailbox.storage, to).await? {
        return Err(Error::Blocked(to.clone()));
    }
    let (id, now) = (Uuid::now_v7(), mailbox.now());
    let mut batch = Batch::default();
    let payload = Payload::text(id, mailbox.own.clone(), to.clone(), now, text.to_owned());
    if again::waits_for(mailbox, to).await? {
        // Nothing overtakes what is to be encrypted again.
        if owner.signal()?.identity_waits(to).await? {
            return Err(SignalError::IdentityChanged(to.clone()).into());
        }
        if payload.to_plaintext().len() > PLAINTEXT_MAX_BYTES {
            return Err(Error::TooLarge);
        }
        again::queue(&mut batch, id, to, now)?;
    } else {
        encrypt(mailbox, owner, &mut batch, &payload).await?;
    }
    let message = StoredMessage {
        id,
        direction: Direction::Out,
        peer: to.clone(),
        sender_device: DeviceId::FIRST,
        sent_at: now,
        body: Body::Text(text.to_owned()),
        state: None,
        code: None,
        identity_changed: false,
        again: None,
        mismatches: 0,
    };
    batch.put_for(Table::Message, message.key(), to, &message)?;
    conversations::note(&mut batch, &message, now)?;
    beside(&mut batch, id)?;
    fault::point("compose-encrypted");
    mailbox.storage.commit(batch).await?;
    fault::point("compose-stored");
    Ok(id)
}

/// Encrypts a payload and puts the ciphertext into the outbox.
pub(super) async fn encrypt(
    mailbox: &Mailbox,
    owner: &Owner<'_>,
    batch: &mut Batch,
    payload: &Payload,
) -> Result<(), Error> {
    let (id, to) = (payload.id, &payload.receiver);
    let (encrypted, sessions) = owner.signal()?.encrypt(batch, to, &payload.to_plaintext()).await?;
    let content = content(encrypted);
    if content.ciphertexts().any(missive_wire::Content::is_too_large) {
        return Err(Error::TooLarge);
    }
    let frame = MessageFrame { id: Some(id), receiver: Receiver::Address(to.clone()), content };
    let frame = ClientFrame::Message(frame).to_json();
    if frame.len() > FRAME_MAX_BYTES {
        return Err(Error::TooLarge);
    }
    save(batch, &Outgoing { id, receiver: to.clone(), since: mailbox.now(), sent: false, frame, sessions })
}

/// What goes to these receivers counts as not sent, so that it is sent again.
pub(super) async fn unsend(mailbox: &Mailbox, batch: &mut Batch, to: impl Fn(&Address) -> bool) -> Result<(), Error> {
    let mut position = 0;
    loop {
        let page = mailbox.storage.list_after::<Outgoing>(Table::Outbox, position, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        position = *last;
        for (_, outgoing) in page.into_iter().filter(|(_, outgoing)| outgoing.sent && to(&outgoing.receiver)) {
            save(batch, &Outgoing { sent: false, ..outgoing })?;
        }
    }
}

/// Notes that a homeserver holds it.
pub(super) async fn mark_sent(mailbox: &Mailbox, batch: &mut Batch, id: MessageId) -> Result<(), Error> {
    match mailbox.storage.get::<Outgoing>(Table::Outbox, id.as_bytes()).await? {
        Some(outgoing) => save(batch, &Outgoing { sent: true, ..outgoing }),
        None => Ok(()),
    }
}

fn save(batch: &mut Batch, outgoing: &Outgoing) -> Result<(), Error> {
    Ok(batch.put(Table::Outbox, outgoing.id.as_bytes(), outgoing)?)
}

/// A lone content is for the first device of an account that has no other.
fn content(mut encrypted: Vec<Encrypted>) -> MessageContent {
    if let [Encrypted { device: DeviceId::FIRST, .. }] = encrypted.as_slice()
        && let Some(Encrypted { kind, content, .. }) = encrypted.pop()
    {
        return MessageContent::Lone { kind: Some(kind), content };
    }
    let devices = encrypted.into_iter().map(|Encrypted { device, registration_id, kind, content }| {
        (device, DeviceContent { registration_id, kind, content })
    });
    MessageContent::PerDevice(devices.collect())
}
