//! Sending a message: whom it is for, which devices that means, and handing a copy to each.

use std::sync::Arc;

use missive_wire::{
    Address, Code, Delivered, DeviceId, ErrorDetails, MessageContent, MessageFrame, MessageId, MessageRef,
    PendingMessages, Receiver, State,
};
use tokio::sync::oneshot;

use super::{access, delivery::Way};
use crate::{
    app::{App, Entry},
    error::{Error, Result},
    hub::{Input, Sending, SentBy},
    model::{Access, DeviceKey, MessageSelector, StoredMessage},
};

/// The most messages of one REST answer.
const PAGE: i64 = 100;

/// Hands a message to the devices of `receiver`, whom its frame names; what becomes of it is told to the socket that it
/// comes from.
pub async fn send(
    app: &Arc<App>,
    access: &Access,
    receiver: &Entry,
    frame: MessageFrame,
    by: SentBy<'_>,
) -> Result<()> {
    let sender = app.address(&access::own(app, access).await?.name);
    let copies = copies(frame.content, receiver)?;
    let id = frame.id.unwrap_or_else(|| app.clock.new_id());
    let sent_at = app.clock.now();
    let address = app.address(&receiver.name);
    let replies = Sending::start(by, (receiver.account, address.clone()), (frame.id, id), copies.len());
    for ((device, kind, content), reply) in copies.into_iter().zip(replies) {
        let message = Arc::new(Delivered {
            id,
            sender: sender.clone(),
            sender_id: Some(access.account),
            sender_device: access.device,
            kind,
            content,
            sent_at,
        });
        let device = DeviceKey { account: receiver.account, device };
        Way::to(device, address.clone()).give(app, [Input::Deliver { message, reply }]).await;
    }
    metrics::counter!("messages_accepted_total").increment(1);
    Ok(())
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

/// The account that a frame names.
pub async fn receiver(app: &App, receiver: &Receiver) -> Result<Arc<Entry>> {
    let entry = match receiver {
        Receiver::Id(id) => app.directory.by_id(&app.store, *id).await?,
        Receiver::Name(name) => app.directory.by_name(&app.store, name).await?,
        Receiver::Address(address) if address.server == app.server_name => {
            app.directory.by_name(&app.store, &address.name).await?
        }
        Receiver::Address(address) => return Err(unknown_server(address)),
    };
    match entry {
        Some(entry) if entry.revoked => Err(Error::new(Code::ReceiverGone, "the receiver's account has been revoked")),
        Some(entry) => Ok(entry),
        None => Err(Error::new(Code::NotFound, "there is no such receiver on this homeserver")),
    }
}

/// An address of another homeserver.
pub fn unknown_server(address: &Address) -> Error {
    let server = &address.server;
    Error::new(
        Code::UnknownServer,
        format!("the homeserver {server} cannot be reached from here: this version of Missive does not federate"),
    )
}

type Copy = (DeviceId, Option<missive_wire::CipherKind>, missive_wire::Content);

/// A copy for each of the receiver's devices, or which devices the sender has wrong.
fn copies(content: MessageContent, receiver: &Entry) -> Result<Vec<Copy>> {
    let mut details = ErrorDetails::default();
    let copies = match content {
        MessageContent::Lone { kind, content } => {
            let others = receiver.devices.iter().map(|row| row.device).filter(|device| *device != DeviceId::FIRST);
            details.missing_devices = others.collect();
            if !receiver.devices.iter().any(|row| row.device == DeviceId::FIRST) {
                details.extra_devices.push(DeviceId::FIRST);
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
