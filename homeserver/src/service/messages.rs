//! Sending a message: whom it is for, which devices that means, and handing a copy to each.

use std::{sync::Arc, time::Duration};

use missive_wire::{
    Address, Code, Delivered, DeviceId, ErrorDetails, MessageContent, MessageEnvelope, MessageFrame, MessageId,
    MessageRef, PendingMessages, Receiver, State, Timestamp,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{access, delivery::Way, outbox};
use crate::{
    app::{App, Entry},
    error::{Error, Result},
    hub::{Input, Reply, Sending, SentBy, Towards, WAIT},
    model::{Access, DeviceKey, MessageSelector, NewEnvelope, StoredMessage},
};

/// The most messages of one REST answer.
const PAGE: i64 = 100;

/// Whom a message is for.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// An account of this homeserver.
    Here(Arc<Entry>),
    /// An address of another.
    Elsewhere(Address),
}

impl Recipient {
    /// What its turns are counted by.
    pub fn towards(&self) -> Towards {
        match self {
            Self::Here(entry) => Towards::Account(entry.account),
            Self::Elsewhere(address) => Towards::Elsewhere(address.clone()),
        }
    }
}

/// Hands a message to the devices of `receiver`, whom its frame names, or to its homeserver; what becomes of it is told to
/// the socket that it comes from.
pub async fn send(
    app: &Arc<App>,
    access: &Access,
    receiver: Recipient,
    frame: MessageFrame,
    by: SentBy<'_>,
) -> Result<()> {
    let sender = app.address(&access::own(app, access).await?.name);
    let (given, id) = (frame.id, frame.id.unwrap_or_else(|| app.clock.new_id()));
    match receiver {
        Recipient::Here(receiver) => {
            let copies = copies(frame.content, None, &receiver)?;
            let to = (receiver.account, app.address(&receiver.name));
            let towards = (Towards::Account(to.0), to.1.clone());
            let replies = Sending::start(by, towards, (given, id), copies.len());
            let from = Message {
                id,
                sender,
                sender_id: Some(access.account),
                sender_device: access.device,
                sent_at: app.clock.now(),
            };
            deliver(app, &from, &to, copies, replies, WAIT).await;
        }
        Recipient::Elsewhere(receiver) => {
            outbox::check(app, &receiver.server, access.account).await?;
            let message = MessageEnvelope {
                id,
                sender,
                sender_device: access.device,
                receiver: receiver.clone(),
                content: frame.content,
                registration_id: None,
                sent_at: app.clock.now(),
            };
            let envelope = NewEnvelope::message(access.account, &message);
            let replies = Sending::start(by, (Towards::Elsewhere(receiver.clone()), receiver), (given, id), 1);
            for reply in replies {
                outbox::send(app, envelope.clone(), reply).await;
            }
        }
    }
    metrics::counter!("messages_accepted_total").increment(1);
    Ok(())
}

/// A message on its way to devices, without what is for each of them.
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) sender: Address,
    pub(super) sender_id: Option<Uuid>,
    pub(super) sender_device: DeviceId,
    pub(super) sent_at: Timestamp,
}

/// Gives each device of an account its copy of a message.
pub(super) async fn deliver(
    app: &Arc<App>,
    from: &Message,
    to: &(Uuid, Address),
    copies: Vec<Copy>,
    replies: Vec<Reply>,
    wait: Duration,
) {
    for ((device, kind, content), reply) in copies.into_iter().zip(replies) {
        let message = Arc::new(Delivered {
            id: from.id,
            sender: from.sender.clone(),
            sender_id: from.sender_id,
            sender_device: from.sender_device,
            kind,
            content,
            sent_at: from.sent_at,
        });
        let device = DeviceKey { account: to.0, device };
        Way::to(device, to.1.clone()).give(app, [Input::Deliver { message, reply, wait }]).await;
    }
}

/// A device's oldest pending messages.
pub async fn list(app: &App, access: &Access, limit: Option<i64>) -> Result<PendingMessages> {
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut rows = app.store.pending_messages(access.device_key(), 0, &[], limit + 1).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > limit;
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(PendingMessages { messages: rows.into_iter().map(|StoredMessage { message, .. }| message).collect(), more })
}

/// A device has messages; returns how many of them were pending, once their rows are gone.
pub async fn acknowledge(
    app: &Arc<App>,
    access: &Access,
    messages: Vec<MessageRef>,
    ids: Vec<MessageId>,
) -> Result<u64> {
    let triples = messages.into_iter().map(|one| MessageSelector::Triple(one.sender, one.sender_device, one.id));
    let selectors = triples.chain(ids.into_iter().map(MessageSelector::Id));
    let mut own = own_way(app, access).await?;
    let mut waiting = Vec::new();
    for which in selectors {
        let (done, settled) = oneshot::channel();
        own.give(app, [Input::Settle { which, state: State::Received, code: None, done: Some(done) }]).await;
        waiting.push(settled);
    }
    super::statuses::total(waiting).await
}

/// The way to the mailbox of the calling device.
pub(super) async fn own_way(app: &App, access: &Access) -> Result<Way> {
    let own = access::own(app, access).await?;
    Ok(Way::to(access.device_key(), app.address(&own.name)))
}

/// Whom a frame names.
pub async fn receiver(app: &App, receiver: &Receiver) -> Result<Recipient> {
    let entry = match receiver {
        Receiver::Id(id) => app.directory.by_id(&app.store, *id).await?,
        Receiver::Name(name) => app.directory.by_name(&app.store, name).await?,
        Receiver::Address(address) if address.server == app.server_name => {
            app.directory.by_name(&app.store, &address.name).await?
        }
        Receiver::Address(address) => return Ok(Recipient::Elsewhere(address.clone())),
    };
    present(entry).map(Recipient::Here)
}

/// An account that takes messages.
pub(super) fn present(entry: Option<Arc<Entry>>) -> Result<Arc<Entry>> {
    match entry {
        Some(entry) if entry.revoked => Err(Error::new(Code::ReceiverGone, "the receiver's account has been revoked")),
        Some(entry) => Ok(entry),
        None => Err(Error::new(Code::NotFound, "there is no such receiver on this homeserver")),
    }
}

/// What is for a device: which, and the ciphertext.
pub(super) type Copy = (DeviceId, Option<missive_wire::CipherKind>, missive_wire::Content);

/// A copy for each of the receiver's devices, or which devices the sender has wrong. `registration_id` is that of the device
/// that a lone ciphertext is for, where the sender's homeserver says it.
pub(super) fn copies(content: MessageContent, registration_id: Option<u32>, receiver: &Entry) -> Result<Vec<Copy>> {
    let mut details = ErrorDetails::default();
    let copies = match content {
        MessageContent::Lone { kind, content } => {
            let others = receiver.devices.iter().map(|row| row.device).filter(|device| *device != DeviceId::FIRST);
            details.missing_devices = others.collect();
            match receiver.devices.iter().find(|row| row.device == DeviceId::FIRST) {
                None => details.extra_devices.push(DeviceId::FIRST),
                Some(first) if registration_id.is_some() && first.registration_id != registration_id => {
                    details.stale_devices.push(DeviceId::FIRST);
                }
                Some(_) => {}
            }
            vec![(DeviceId::FIRST, kind, content)]
        }
        MessageContent::PerDevice(contents) => {
            for row in &receiver.devices {
                match contents.get(&row.device) {
                    None => details.missing_devices.push(row.device),
                    Some(content) if Some(content.registration_id) != row.registration_id => {
                        details.stale_devices.push(row.device);
                    }
                    Some(_) => {}
                }
            }
            let known = |device: &DeviceId| receiver.devices.iter().any(|row| row.device == *device);
            details.extra_devices.extend(contents.keys().filter(|device| !known(device)));
            contents.into_iter().map(|(device, one)| (device, Some(one.kind), one.content)).collect()
        }
    };
    if details == ErrorDetails::default() {
        return Ok(copies);
    }
    let message = "the receiver's devices are not those the message was encrypted for: claim their keys, encrypt again";
    Err(Error { details: Box::new(details), ..Error::new(Code::DeviceMismatch, message) })
}
