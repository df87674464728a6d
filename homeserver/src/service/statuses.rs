//! Statuses: what a device says of messages it was sent, and what it has heard of those it sent.

use std::sync::Arc;

use missive_wire::{
    AcknowledgeStatuses, Code, MessageId, Noted, PendingStatuses, ServerFrame, State, StatusEnvelope, StatusFrame,
    StatusUpdate,
};
use tokio::sync::oneshot;

use super::{
    access,
    delivery::{self, Way},
    messages::{self, Recipient},
    outbox,
};
use crate::{
    app::App,
    error::{Error, Result},
    hub::{Input, Notice},
    model::{Access, DeviceKey, MessageSelector, NewEnvelope, NewStatus},
    store::{WriteOp, WriteResult},
};

/// The most statuses of one REST answer.
const PAGE: i64 = 500;

/// A device settles messages it was sent: it has them, or refuses them. `own` is the way to its mailbox.
pub async fn settle(app: &Arc<App>, own: &mut Way, frame: StatusFrame) -> Result<()> {
    let code = match (frame.state, frame.code) {
        (State::Undeliverable, Some(Code::Undecryptable)) => Some(Code::Undecryptable),
        (State::Undeliverable, _) => Some(Code::Refused),
        _ => None,
    };
    let sender = match &frame.receiver {
        // Whoever is revoked meanwhile has sent it all the same.
        missive_wire::Receiver::Id(id) => {
            let entry = app.directory.by_id(&app.store, *id).await?;
            app.address(&entry.ok_or_else(|| Error::new(Code::NotFound, "there is no such sender"))?.name)
        }
        named => named.address(&app.server_name).ok_or_else(|| Error::new(Code::Malformed, "no receiver"))?,
    };
    let StatusFrame { message_ids, state, sender_device, .. } = frame;
    let inputs = message_ids.into_iter().map(|id| {
        let which = MessageSelector::Triple(sender.clone(), sender_device, id);
        Input::Settle { which, state, code, done: None }
    });
    own.give(app, inputs).await;
    Ok(())
}

/// A device displayed messages: keeps that for their sender, passes it on, and returns what the device is told.
pub async fn read(app: &Arc<App>, access: &Access, frame: StatusFrame) -> Result<ServerFrame> {
    let own = access::own(app, access).await?;
    let reader = app.address(&own.name);
    let quota = Some(delivery::quota(app));
    let notices = match messages::receiver(app, &frame.receiver).await? {
        Recipient::Here(sender) => {
            let device = DeviceKey { account: sender.account, device: frame.sender_device };
            let statuses = frame.message_ids.iter().map(|&message_id| {
                let sender = reader.clone();
                NewStatus { device, message_id, state: State::Read, sender, code: None }
            });
            let statuses = statuses.collect::<Vec<_>>();
            let ops = statuses.iter().map(|status| WriteOp::PutStatus(status.clone(), quota)).collect();
            let risen = write(app, ops).await?;
            statuses.into_iter().zip(risen).filter_map(|(status, risen)| risen.then(|| Notice::of(status))).collect()
        }
        Recipient::Elsewhere(sender) => {
            outbox::check(app, &sender.server, access.account).await?;
            let status = StatusEnvelope {
                message_ids: Vec::new(),
                state: State::Read,
                code: None,
                sender: reader,
                receiver: sender,
                receiver_device: frame.sender_device,
            };
            let envelopes = frame.message_ids.iter().map(|id| NewEnvelope::status(access.account, *id, &status));
            let ops = envelopes.map(|envelope| WriteOp::Enqueue { envelope: Arc::new(envelope), quota }).collect();
            write(app, ops).await?;
            Vec::new()
        }
    };
    delivery::notify(app, notices);
    Ok(ServerFrame::Noted { noted: Noted { message_ids: frame.message_ids, state: State::Read } })
}

/// Writes statuses; for each, whether it says more than was known.
async fn write(app: &App, ops: Vec<WriteOp>) -> Result<Vec<bool>> {
    let written = app.writer.write(ops).await.map_err(|error| {
        let message = "the status could not be stored; send it again";
        Error { source: Some(error.into()), ..Error::temporary(Code::Unavailable, message, 2) }
    })?;
    if written.results.iter().any(|result| matches!(result, WriteResult::Full)) {
        let message = "too much of yours waits for that receiver already; say it again later";
        return Err(Error::temporary(Code::QuotaExceeded, message, 60));
    }
    // After a repeated write a row that did not rise may have risen the first time.
    let risen = |result: &WriteResult| written.repeated || matches!(result, WriteResult::Done(1..));
    Ok(written.results.iter().map(risen).collect())
}

/// The stored statuses of a device's sent messages.
pub async fn list(app: &App, access: &Access) -> Result<PendingStatuses> {
    let mut rows = app.store.statuses(access.device_key(), PAGE + 1).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or_default());
    let statuses = rows.into_iter().map(|row| StatusUpdate {
        message_id: Some(row.message_id),
        message_ids: Vec::new(),
        state: row.state,
        sender: row.sender,
        code: row.code,
    });
    Ok(PendingStatuses { statuses: statuses.collect(), more })
}

/// A device has stored statuses; returns how many rows that settled, once they are gone.
pub async fn acknowledge(app: &Arc<App>, access: &Access, body: AcknowledgeStatuses) -> Result<u64> {
    let mut own = messages::own_way(app, access).await?;
    let mut waiting = Vec::new();
    let with_state = body.statuses.into_iter().map(|one| (vec![one.message_id], Some(one.state)));
    let any_state = (!body.ids.is_empty()).then_some((body.ids, None));
    for (ids, state) in with_state.chain(any_state) {
        let (done, settled) = oneshot::channel();
        own.give(app, [Input::AcknowledgeStatuses { ids, state, done: Some(done) }]).await;
        waiting.push(settled);
    }
    total(waiting).await
}

/// A device has stored statuses that its socket was told. `own` is the way to its mailbox.
pub async fn acknowledge_over_socket(app: &Arc<App>, own: &mut Way, ids: Vec<MessageId>, state: State) {
    own.give(app, [Input::AcknowledgeStatuses { ids, state: Some(state), done: None }]).await;
}

/// Adds up what mailboxes settled; any that the database did not take fails the whole, which may be asked again.
pub(super) async fn total(waiting: Vec<oneshot::Receiver<Option<u64>>>) -> Result<u64> {
    let mut sum = 0;
    for settled in waiting {
        sum += settled.await.ok().flatten().ok_or_else(|| {
            Error::temporary(
                Code::Unavailable,
                "the server's database does not answer; acknowledge again in a moment",
                2,
            )
        })?;
    }
    Ok(sum)
}
