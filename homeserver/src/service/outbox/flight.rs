//! A lane's transactions: reading what is stored, sending, settling.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode, header::RETRY_AFTER};
use missive_wire::{Code, Data, EnvelopeResult, ErrorBody, ErrorDetails, State, TransactionAnswer};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{AFTER_FAILURE, peers};
use crate::{
    app::App,
    hub::{Destination, Landed, LaneStep, Notice, Unanswered, undeliverable},
    model::{DeviceKey, Lane, NewStatus, OutboxRow},
    peers::{call::Answer, discovery::Asker, json, outbound::Bounds},
    service::{
        delivery,
        peers::{PeerRequest, call, note_incarnation},
    },
    store::{Result, Store, StoreError, WriteOp, WriteResult},
};

/// How long a transaction may take, and how large its answer may be: a sentence for each envelope.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), size: 256 * 1024 };

/// How many stored envelopes are looked at for a transaction: one more than fit.
const PAGE: i64 = 101;

/// How long a lane is left to another server on the same database that empties it.
const HELD_BY_ANOTHER: Duration = Duration::from_secs(1);

/// How long a server keeps a lane to itself, in milliseconds, and when it says so again while a transaction is under way.
/// Short, because what one that was killed has left waits for so long.
const HELD_MILLIS: i64 = 5_000;
const HELD_AGAIN: Duration = Duration::from_millis(1_500);

/// The longest pause after a homeserver was asked too much at a time, in seconds.
const PAUSE_MAX: u64 = 60;

/// The most characters of another homeserver's sentence that are passed on.
const SENTENCE: usize = 300;

/// Does a step, and tells the lane what it came to.
pub(super) async fn run(app: &Arc<App>, destination: &Arc<Destination>, number: u8, step: LaneStep, probing: bool) {
    match step {
        LaneStep::Send { id, body, envelopes, fast } => {
            let lane = Lane { destination: destination.server.clone(), number };
            if fast && is_overtaken(app, &lane).await {
                destination.abandon(number);
                return;
            }
            let sending = Box::pin(send(app, destination, (id, body, envelopes), probing));
            let results = if fast { sending.await } else { holding(app, &lane, sending).await };
            destination.landed(number, results, Instant::now());
        }
        LaneStep::Read => {
            if let Err(error) = read(app, destination, number).await {
                tracing::error!(%error, "the outbox could not be read");
                sleep(AFTER_FAILURE).await;
                destination.read_failed(number);
            }
        }
        LaneStep::Settle(landed) => {
            if let Err(error) = settle(app, landed).await {
                tracing::error!(%error, "envelopes that were taken could not be settled; they are sent again");
                sleep(AFTER_FAILURE).await;
            }
            destination.settled(number);
        }
    }
}

/// Whether another server on the same database has stored messages of the lane, which must go first.
async fn is_overtaken(app: &App, lane: &Lane) -> bool {
    match app.store {
        Store::Sqlite { .. } => false,
        // Where it is unknown, they may be there.
        Store::Postgres(_) => app.store.has_outbox_messages(lane).await.unwrap_or(true),
    }
}

async fn read(app: &Arc<App>, destination: &Arc<Destination>, number: u8) -> Result<()> {
    let lane = Lane { destination: destination.server.clone(), number };
    if !hold(app, &lane).await? {
        // Another server empties it.
        destination.pause(number, Instant::now(), HELD_BY_ANOTHER);
        return Ok(());
    }
    let (repeat, waiting) = destination.reading(number);
    if let Some((id, rows)) = repeat {
        let wanted = rows.len();
        let rows = with_envelopes(app, rows).await?;
        // Of what is no longer whole, the rest goes in another transaction.
        if rows.len() == wanted {
            destination.fly_rows(number, rows, true, id);
            return Ok(());
        }
    }
    let rows = app.store.outbox_rows(&lane, &waiting, PAGE).await?;
    let end = i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE;
    let chosen = destination.choose(number, rows, end);
    if chosen.is_empty() {
        leave(app, &lane).await?;
    }
    let any = !chosen.is_empty();
    let rows = with_envelopes(app, chosen).await?;
    destination.fly_rows(number, rows, any, Uuid::new_v4());
    Ok(())
}

/// Rows with what is in them; without those that are gone.
async fn with_envelopes(app: &App, rows: Vec<OutboxRow>) -> Result<Vec<(OutboxRow, String)>> {
    let envelopes = app.store.outbox_envelopes(&rows.iter().map(|row| row.seq).collect::<Vec<_>>()).await?;
    let mut envelopes = envelopes.into_iter().collect::<HashMap<_, _>>();
    Ok(rows.into_iter().filter_map(|row| envelopes.remove(&row.seq).map(|envelope| (row, envelope))).collect())
}

async fn hold(app: &App, lane: &Lane) -> Result<bool> {
    match app.store {
        Store::Sqlite { .. } => Ok(true),
        Store::Postgres(_) => {
            let now = app.clock.now();
            let until = missive_wire::Timestamp::from_millis(now.millis() + HELD_MILLIS);
            app.store.hold_lane(lane, app.process, now, until).await
        }
    }
}

/// Waits for what is under way in a lane, and keeps the lane meanwhile.
async fn holding<T>(app: &App, lane: &Lane, under_way: impl Future<Output = T>) -> T {
    tokio::pin!(under_way);
    loop {
        if let Ok(done) = timeout(HELD_AGAIN, &mut under_way).await {
            return done;
        }
        // Where another has it meanwhile, that one sends the same.
        if let Err(error) = hold(app, lane).await {
            tracing::warn!(%error, "a lane of the outbox could not be kept");
        }
    }
}

async fn leave(app: &App, lane: &Lane) -> Result<()> {
    match app.store {
        Store::Sqlite { .. } => Ok(()),
        Store::Postgres(_) => app.store.leave_lane(lane, app.process).await,
    }
}

async fn send(
    app: &Arc<App>,
    destination: &Arc<Destination>,
    (id, body, envelopes): (Uuid, Bytes, usize),
    probing: bool,
) -> std::result::Result<Vec<EnvelopeResult>, Unanswered> {
    let path = format!("/federation/v1/transactions/{id}");
    let request = PeerRequest { method: Method::POST, path_and_query: &path, body, bounds: BOUNDS };
    let started = Instant::now();
    let outcome = call(app, &destination.server, Asker::Own, request).await;
    metrics::histogram!("federation_transaction_seconds").record(started.elapsed().as_secs_f64());
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            peers::failed(app, destination, &error.to_string(), error.code(), None, probing).await;
            return Err(Unanswered::NoAnswer);
        }
    };
    let refusal = match read_answer(&answer, envelopes) {
        Ok(TransactionAnswer { incarnation, results }) => {
            peers::succeeded(app, destination);
            note_incarnation(app, &destination.server, incarnation).await;
            metrics::counter!("federation_envelopes_sent_total").increment(results.len() as u64);
            return Ok(results.into_iter().map(sanitized).collect());
        }
        Err(refusal) => refusal,
    };
    match refusal {
        Refusal::ForNow { why, code, wait } => {
            peers::failed(app, destination, &why, code, wait, probing).await;
            Err(Unanswered::NoAnswer)
        }
        Refusal::Paused(pause) => {
            peers::succeeded(app, destination);
            Err(Unanswered::Paused(pause))
        }
        Refusal::Transaction(_) if envelopes > 1 => {
            peers::succeeded(app, destination);
            Err(Unanswered::Whole)
        }
        Refusal::Transaction(result) => {
            peers::succeeded(app, destination);
            Ok(vec![sanitized(*result)])
        }
    }
}

/// Why a signed answer has no results.
enum Refusal {
    /// It does not take this transaction, which it may be said of its only envelope, too.
    Transaction(Box<EnvelopeResult>),
    /// It is too much at a time.
    Paused(Duration),
    /// It may be another time.
    ForNow { why: String, code: &'static str, wait: Option<u64> },
}

/// The answer to a transaction, whose results are read one by one.
#[derive(Deserialize)]
struct Results {
    incarnation: Uuid,
    results: Vec<Value>,
}

impl From<Results> for TransactionAnswer {
    fn from(answer: Results) -> Self {
        Self { incarnation: answer.incarnation, results: answer.results.into_iter().map(result).collect() }
    }
}

/// A result as it came. One that is not understood settles nothing.
fn result(value: Value) -> EnvelopeResult {
    match serde_json::from_value(value) {
        Ok(result @ (EnvelopeResult::Accepted { accepted: true, .. } | EnvelopeResult::Refused(_))) => result,
        _ => EnvelopeResult::deferred(),
    }
}

/// How long the other homeserver asks to be left alone, in seconds. Its headers are not signed: nothing but a wait depends
/// on it.
fn retry_after(answer: &Answer) -> Option<u64> {
    answer.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

fn read_answer(answer: &Answer, envelopes: usize) -> std::result::Result<TransactionAnswer, Refusal> {
    let for_now = |why: String, code, wait| Err(Refusal::ForNow { why, code, wait });
    if answer.status == StatusCode::OK {
        return match json::read::<Data<Results>>(&answer.body) {
            Ok(Data { data }) if data.results.len() == envelopes => Ok(data.into()),
            // Repeated, it would get the same answer.
            _ => Err(Refusal::Transaction(Box::new(EnvelopeResult::deferred()))),
        };
    }
    let error = json::read::<ErrorBody>(&answer.body).ok();
    match (answer.status, error) {
        (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY, Some(error))
            if matches!(error.code, Code::Malformed | Code::TooLarge) =>
        {
            Err(Refusal::Transaction(Box::new(EnvelopeResult::Refused(error))))
        }
        // Something in it is too much for the other homeserver, or its id was another's: others must not wait for it.
        (StatusCode::INTERNAL_SERVER_ERROR | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY, _) => {
            Err(Refusal::Transaction(Box::new(EnvelopeResult::deferred())))
        }
        (StatusCode::TOO_MANY_REQUESTS, error) => {
            let wait = error.and_then(|error| error.details.retry_after).or_else(|| retry_after(answer)).unwrap_or(1);
            Err(Refusal::Paused(Duration::from_secs(wait.clamp(1, PAUSE_MAX))))
        }
        (status, error) => {
            let said = error.as_ref().map(|error| shortened(&error.error)).unwrap_or_default();
            let why = format!("it answers with status {}: {said}", status.as_u16());
            let wait = error.and_then(|error| error.details.retry_after).or_else(|| retry_after(answer));
            for_now(why, "status", wait)
        }
    }
}

/// What another homeserver says of an envelope, as far as it is passed on: a refusal is for good, short, and names no more
/// devices than an account can have.
fn sanitized(result: EnvelopeResult) -> EnvelopeResult {
    let EnvelopeResult::Refused(ErrorBody { error, code, mut details }) = result else { return result };
    for devices in [&mut details.missing_devices, &mut details.extra_devices, &mut details.stale_devices] {
        devices.sort_unstable();
        devices.dedup();
    }
    let details = ErrorDetails { retry_after: None, highest_key_id: None, ..details };
    EnvelopeResult::Refused(ErrorBody { error: shortened(&error), code, details })
}

fn shortened(sentence: &str) -> String {
    sentence.chars().filter(|character| !character.is_control()).take(SENTENCE).collect()
}

/// Settles stored envelopes: those that are taken, or never will be, go; messages' senders are told what there is to tell.
async fn settle(app: &Arc<App>, landed: Vec<Landed>) -> Result<()> {
    let definite = landed.into_iter().filter(|(_, result)| !matches!(result, EnvelopeResult::Deferred { .. }));
    let told = definite.map(|(row, result)| (status(&row, result), row)).collect::<Vec<_>>();
    if told.is_empty() {
        return Ok(());
    }
    let ops = told.iter().map(|(status, row)| WriteOp::Dequeue { row: row.clone(), status: status.clone() });
    let written = app.writer.write(ops.collect()).await.map_err(|error| StoreError(error.into()))?;
    let settled = told.into_iter().zip(written.results).filter(|(_, result)| {
        // After a repeated write a row that was not there may have gone the first time.
        written.repeated || matches!(result, WriteResult::Done(1..))
    });
    let notices = settled.filter_map(|((status, _), _)| status.map(Notice::of)).collect();
    delivery::notify(app, notices);
    Ok(())
}

/// What the sender of a message is told.
fn status(row: &OutboxRow, result: EnvelopeResult) -> Option<NewStatus> {
    let device = DeviceKey { account: row.key.account, device: row.key.device? };
    let (state, code): (State, Option<Code>) = match result {
        EnvelopeResult::Accepted { state: Some(State::Received), .. } => (State::Received, None),
        EnvelopeResult::Refused(error) => (State::Undeliverable, Some(undeliverable(error.code))),
        EnvelopeResult::Accepted { .. } | EnvelopeResult::Deferred { .. } => return None,
    };
    Some(NewStatus { device, message_id: row.key.message_id, state, sender: row.key.receiver.clone(), code })
}
