//! Transactions of other homeservers: every envelope is checked by itself, and accepted only once it is durable here, or
//! its device has it.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use missive_wire::{
    Address, Code, DeviceId, Envelope, EnvelopeResult, ErrorBody, MessageEnvelope, ServerName, State, StatusEnvelope,
    Transaction, TransactionAnswer,
};
use tokio::sync::oneshot;

use super::{
    delivery,
    messages::{self, Message, deliver},
};
use crate::{
    app::App,
    error::{Error, Result},
    hub::{Notice, Outcome, Sending, Towards, Turns, WAIT_OF_TRANSACTION, undeliverable},
    model::{DeviceKey, NewStatus},
    peers::json,
    store::{WriteOp, WriteResult},
};

/// The longest id of a transaction, in characters.
const ID_MAX: usize = 64;

/// A transaction that came from `origin`: its id, its body and that body's digest.
pub struct Incoming<'a> {
    /// Whose it is; verified.
    pub origin: &'a ServerName,
    /// Its id, which the origin chose at random.
    pub id: &'a str,
    /// Its body.
    pub body: Bytes,
    /// SHA-256 of the body; verified.
    pub digest: [u8; 32],
}

/// Takes a transaction. One that was answered before gets the results that it had.
pub async fn take(app: &Arc<App>, incoming: Incoming<'_>) -> Result<TransactionAnswer> {
    let Incoming { origin, id, body, digest } = incoming;
    if id.is_empty()
        || id.len() > ID_MAX
        || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        let text = format!("a transaction's id has 1 to {ID_MAX} letters, digits, '-' and '_'");
        return Err(Error::new(Code::Malformed, text));
    }
    let _under_way = app.transactions.begin(origin, id).ok_or_else(|| {
        Error::temporary(Code::Unavailable, "this transaction is being worked on; ask for its results again", 1)
    })?;
    if let Some((before, results)) = app.store.answered(origin, id).await? {
        if before != digest {
            let text = "another transaction has had this id: choose a new one for each";
            return Err(Error::new(Code::TransactionReused, text));
        }
        let results = serde_json::from_str(&results).map_err(Error::internal)?;
        return Ok(TransactionAnswer { incarnation: app.incarnation, results });
    }
    let results = work(app, origin, &body).await?;
    metrics::counter!("federation_envelopes_received_total").increment(results.len() as u64);
    keep(app, origin, id, digest, &results);
    Ok(TransactionAnswer { incarnation: app.incarnation, results })
}

/// Remembers the results, should the answer be lost. What is accepted is so already: nothing waits for this. Where nothing
/// is, nothing is lost with the answer, and nothing takes room here.
fn keep(app: &Arc<App>, origin: &ServerName, id: &str, digest: [u8; 32], results: &[EnvelopeResult]) {
    if !results.iter().any(|result| matches!(result, EnvelopeResult::Accepted { .. })) {
        return;
    }
    let Ok(results) = serde_json::to_string(results) else { return };
    let (origin, id, digest) = (origin.clone(), id.to_owned(), digest.to_vec());
    let keep = WriteOp::KeepAnswer { origin, id, digest, results, at: app.clock.now() };
    let writer = app.writer.clone();
    app.tasks.spawn(async move {
        if let Err(error) = writer.write(vec![keep]).await {
            tracing::warn!(%error, "the results of a transaction are not remembered");
        }
    });
}

/// What is known of an envelope's result.
enum Pending {
    Known(EnvelopeResult),
    /// A mailbox tells.
    Message(oneshot::Receiver<Outcome>),
    /// So many of the transaction's writes are its own.
    Status(usize),
}

/// A pair of a device elsewhere and an address here.
type Pair = (Address, DeviceId, Address);

async fn work(app: &Arc<App>, origin: &ServerName, body: &Bytes) -> Result<Vec<EnvelopeResult>> {
    json::check(body).map_err(|error| Error::new(Code::Malformed, format!("the transaction: {error}")))?;
    let transaction = Transaction::read(body).map_err(|error| Error::new(error.code, error.error))?;
    let envelopes = transaction.envelopes(body);
    let mut turns = HashMap::<Pair, Arc<Turns>>::new();
    let (mut pending, mut statuses) = (Vec::with_capacity(envelopes.len()), Vec::new());
    for envelope in envelopes {
        let taken = match envelope {
            Ok(Envelope::Message(message)) => take_message(app, origin, message, &mut turns).await,
            Ok(Envelope::Status(status)) => take_status(app, origin, status, &mut statuses).await,
            Err(error) => Err(Error::new(error.code, error.error)),
        };
        pending.push(taken.unwrap_or_else(|error| Pending::Known(failure(error))));
    }
    // What was handed over has its result, though these have none.
    let written = put(app, statuses).await.inspect_err(|error| tracing::error!(%error, "statuses are deferred"));
    let mut written = written.unwrap_or_default().into_iter();
    let mut results = Vec::with_capacity(pending.len());
    for one in pending {
        results.push(match one {
            Pending::Known(result) => result,
            Pending::Message(outcome) => result_of(outcome.await.unwrap_or(Outcome::Failed)),
            Pending::Status(writes) => result_of_status(written.by_ref().take(writes)),
        });
    }
    Ok(results)
}

/// Gives a message to the devices that it is for.
async fn take_message(
    app: &Arc<App>,
    origin: &ServerName,
    message: MessageEnvelope,
    turns: &mut HashMap<Pair, Arc<Turns>>,
) -> Result<Pending> {
    let MessageEnvelope { id, sender, sender_device, receiver, content, registration_id, sent_at } = message;
    check_parties(app, origin, &sender, &receiver)?;
    let turns = turns.entry((sender.clone(), sender_device, receiver.clone())).or_default();
    let towards = Towards::Elsewhere(receiver.clone());
    if turns.held(&towards).is_some() {
        return Ok(Pending::Known(EnvelopeResult::deferred()));
    }
    let entry = app.directory.by_name(&app.store, &receiver.name).await;
    // What comes behind one that is deferred must not overtake it.
    let entry = messages::present(entry.inspect_err(|_| turns.fail(Some(towards.clone()), id))?)?;
    let copies = messages::copies(content, registration_id, &entry)?;
    let (replies, outcome) = Sending::of_transaction(turns, towards, id, copies.len());
    // A clock that is ahead elsewhere must not put a message in front of what comes after it.
    let sent_at = sent_at.min(app.clock.now());
    let from = Message { id, sender, sender_id: None, sender_device, sent_at };
    deliver(app, &from, &(entry.account, receiver), copies, replies, WAIT_OF_TRANSACTION).await;
    Ok(Pending::Message(outcome))
}

/// Adds what is to be kept of a status.
async fn take_status(
    app: &Arc<App>,
    origin: &ServerName,
    status: StatusEnvelope,
    statuses: &mut Vec<NewStatus>,
) -> Result<Pending> {
    let StatusEnvelope { message_ids, state, code, sender, receiver, receiver_device } = status;
    check_parties(app, origin, &sender, &receiver)?;
    let entry = messages::present(app.directory.by_name(&app.store, &receiver.name).await?)?;
    let device = DeviceKey { account: entry.account, device: receiver_device };
    let code = (state == State::Undeliverable).then(|| undeliverable(code.unwrap_or(Code::Refused)));
    let writes = message_ids.len();
    let new = |message_id| NewStatus { device, message_id, state, sender: sender.clone(), code };
    statuses.extend(message_ids.into_iter().map(new));
    Ok(Pending::Status(writes))
}

/// An origin speaks for its own users only, and to ours.
fn check_parties(app: &App, origin: &ServerName, sender: &Address, receiver: &Address) -> Result<()> {
    if sender.server != *origin {
        return Err(Error::new(Code::NotOwner, format!("{origin} speaks for its own users, and not for {sender}")));
    }
    if receiver.server != app.server_name {
        return Err(Error::new(Code::NotFound, format!("{receiver} is not of this homeserver")));
    }
    Ok(())
}

/// Keeps statuses, and tells connected senders. That goes on where the other homeserver hangs up: what was kept when it sends
/// the transaction again is no news, so that nobody would be told of it.
async fn put(app: &Arc<App>, statuses: Vec<NewStatus>) -> Result<Vec<WriteResult>> {
    if statuses.is_empty() {
        return Ok(Vec::new());
    }
    let app = app.clone();
    let putting = app.clone().tasks.spawn(async move { put_and_tell(&app, statuses).await });
    putting.await.map_err(Error::internal)?
}

/// Each within the share of who says it.
async fn put_and_tell(app: &Arc<App>, statuses: Vec<NewStatus>) -> Result<Vec<WriteResult>> {
    let quota = Some(delivery::quota(app));
    let ops = statuses.iter().map(|status| WriteOp::PutStatus(status.clone(), quota)).collect();
    let written = app.writer.write(ops).await.map_err(|error| {
        let text = "the statuses could not be stored; send the transaction again";
        Error { source: Some(error.into()), ..Error::temporary(Code::Unavailable, text, 2) }
    })?;
    let risen = statuses.into_iter().zip(&written.results);
    // After a repeated write a row that did not rise may have risen the first time.
    let risen = risen.filter(|(_, result)| written.repeated || matches!(result, WriteResult::Done(1..)));
    delivery::notify(app, risen.map(|(status, _)| Notice::of(status)).collect());
    Ok(written.results)
}

fn result_of(outcome: Outcome) -> EnvelopeResult {
    match outcome {
        Outcome::Received => EnvelopeResult::accepted(Some(State::Received)),
        Outcome::Stored | Outcome::Settled => EnvelopeResult::accepted(None),
        Outcome::Gone => failure(Error::new(Code::ReceiverGone, "the receiver can no longer receive messages")),
        Outcome::Failed | Outcome::Full | Outcome::AfterFailed => EnvelopeResult::deferred(),
    }
}

fn result_of_status(written: impl Iterator<Item = WriteResult>) -> EnvelopeResult {
    // All of them are its own: what follows belongs to the next.
    let written = written.collect::<Vec<_>>();
    if written.is_empty() || written.iter().any(|one| matches!(one, WriteResult::Full)) {
        return EnvelopeResult::deferred();
    }
    if written.iter().any(|one| matches!(one, WriteResult::Gone)) {
        return failure(Error::new(Code::ReceiverGone, "the device that sent the message is no more"));
    }
    EnvelopeResult::accepted(None)
}

/// What an error means for an envelope: one that passes defers it.
fn failure(error: Error) -> EnvelopeResult {
    if error.details.retry_after.is_some() || error.source.is_some() {
        if error.source.is_some() {
            tracing::error!(%error, "an envelope failed");
        }
        return EnvelopeResult::deferred();
    }
    EnvelopeResult::Refused(ErrorBody { error: error.message, code: error.code, details: *error.details })
}
