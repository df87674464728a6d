//! Sending a message: whom it is for, which devices that means, and handing a copy to each.

use std::sync::Arc;

use futures_util::future::join_all;
use missive_wire::{
    Address, Code, Delivered, DeviceId, ErrorDetails, MessageContent, MessageFrame, MessageId, MessageRef,
    PendingMessages, Receiver, State,
};
use tokio::sync::oneshot;

use super::{access, delivery};
use crate::{
    app::{App, Entry},
    error::{Error, Result},
    hub::{Input, Outcome, Reply, Turns},
    model::{Access, DeviceKey, MessageSelector, StoredMessage},
};

/// The most messages of one REST answer.
const PAGE: i64 = 100;

/// A message that is with the mailboxes of its receiver's devices.
pub struct Sending {
    /// Its id.
    pub id: MessageId,
    /// Its receiver.
    pub receiver: Address,
    copies: Vec<oneshot::Receiver<Outcome>>,
}

impl Sending {
    /// Waits until every device's copy is durable or acknowledged.
    pub async fn outcome(self) -> Outcome {
        let outcomes = join_all(self.copies).await;
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Failed)).collect::<Vec<_>>();
        // The worst first: what any copy lacks, the message lacks.
        let order = [
            Outcome::Failed,
            Outcome::Full,
            Outcome::AfterFailed,
            Outcome::Gone,
            Outcome::Received,
            Outcome::Stored,
            Outcome::Settled,
        ];
        order.into_iter().find(|one| outcomes.contains(one)).unwrap_or(Outcome::Gone)
    }
}

/// Hands a message to the devices of `receiver`, whom its frame names.
pub async fn send(
    app: &Arc<App>,
    access: &Access,
    receiver: Arc<Entry>,
    frame: MessageFrame,
    turns: &Arc<Turns>,
) -> Result<Sending> {
    let sender = access::own(app, access).await?;
    let copies = copies(frame.content, &receiver)?;
    let id = frame.id.unwrap_or_else(|| app.clock.new_id());
    let sent_at = app.clock.now();
    let mut outcomes = Vec::with_capacity(copies.len());
    for (device, kind, content) in copies {
        let message = Delivered {
            id,
            sender: app.address(&sender.name),
            sender_id: Some(sender.account),
            sender_device: access.device,
            kind,
            content,
            sent_at,
        };
        let device = DeviceKey { account: receiver.account, device };
        let (reply, outcome) = Reply::new(turns.clone(), device.account, frame.id);
        delivery::give(app, device, Input::Deliver { message: Arc::new(message), reply }).await;
        outcomes.push(outcome);
    }
    metrics::counter!("messages_accepted_total").increment(1);
    Ok(Sending { id, receiver: app.address(&receiver.name), copies: outcomes })
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
    let mut waiting = Vec::new();
    for which in selectors {
        let (done, settled) = oneshot::channel();
        let input = Input::Settle { which, state: State::Received, code: None, done: Some(done) };
        delivery::give(app, access.device_key(), input).await;
        waiting.push(settled);
    }
    super::statuses::total(waiting).await
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
