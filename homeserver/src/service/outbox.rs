//! The hand-over to other homeservers: gives lanes their envelopes, and drives them: stores, sends, settles.

mod flight;
mod peers;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use uuid::Uuid;

use super::delivery;
use crate::{
    app::App,
    hub::{Destination, LaneStep, Probe, Reply, Stored, Unanswered, Undriven},
    model::{LANES, Lane, NewEnvelope},
    store::{Result, Store, WriteOp, WriteResult},
};

pub use peers::{check, try_now};

/// How often homeservers are looked for that are due to be tried again.
const TICK: Duration = Duration::from_secs(1);

/// After how many of these ticks the outbox is searched for what other servers on the same database have left.
const TICKS_OF_SEARCH: u32 = 10;

/// How long a lane waits before it asks a database again that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Gives a message to its lane; waits while that has no room.
pub async fn send(app: &Arc<App>, envelope: NewEnvelope, mut reply: Reply) {
    let envelope = Arc::new(envelope);
    let number = envelope.lane.number;
    loop {
        let (back, destination) = match app.lanes.take(&envelope, reply, Instant::now()) {
            Ok(undriven) => return start(app, undriven),
            Err(full) => full,
        };
        let room = destination.lane(number).room();
        tokio::pin!(room);
        // Begun before the next look, so that room made after it is not missed.
        room.as_mut().enable();
        match app.lanes.take(&envelope, back, Instant::now()) {
            Ok(undriven) => return start(app, undriven),
            Err((back, _)) => reply = back,
        }
        room.await;
    }
}

/// Empties the outbox as long as the server runs.
pub async fn follow(app: Arc<App>) {
    app.tasks.spawn(peers::wake_all(app.clone()));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_search = 0;
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            lanes = app.writer.filled().next() => {
                // What others than the lanes themselves store is statuses.
                start(&app, lanes.iter().filter_map(|lane| app.lanes.look_again(lane, false)));
                continue;
            }
            _ = ticks.tick() => {}
        }
        start(&app, app.lanes.due(app.clock.now()));
        if until_search == 0 {
            until_search = TICKS_OF_SEARCH;
            app.lanes.tidy();
            // Beside this, so that nobody waits for what is there of others.
            app.tasks.spawn(search(app.clone()));
        }
        until_search -= 1;
    }
}

/// The server stops: what is in memory for other homeservers is stored.
pub fn shut_down(app: &Arc<App>) {
    start(app, app.lanes.shut_down());
}

/// The server has stopped: whoever goes on, itself started anew or another on the same database, need not wait for its
/// lanes.
pub async fn leave(app: &App) {
    if matches!(app.store, Store::Postgres(_))
        && let Err(error) = app.store.leave_lanes(app.process).await
    {
        tracing::warn!(%error, "what waits for other homeservers waits some seconds longer");
    }
}

/// Looks for envelopes that no lane of this process knows of: at the start, and of other servers on the same database.
async fn search(app: Arc<App>) {
    if let Err(error) = search_once(&app).await {
        tracing::error!(%error, "the outbox could not be searched");
    }
}

async fn search_once(app: &Arc<App>) -> Result<()> {
    for destination in app.store.outbox_destinations().await? {
        // The messages of a homeserver that is in memory are known there, if no other server stores any.
        let known = app.lanes.of(&destination).is_some() && matches!(app.store, Store::Sqlite { .. });
        for number in 0..LANES {
            let lane = Lane { destination: destination.clone(), number };
            if app.store.has_outbox(&lane).await? {
                let messages = !known && app.store.has_outbox_messages(&lane).await?;
                start(app, app.lanes.look_again(&lane, messages));
            }
        }
    }
    Ok(())
}

/// Starts the drivers that lanes need.
fn start(app: &Arc<App>, undriven: impl IntoIterator<Item = Undriven>) {
    for undriven in undriven {
        app.tasks.spawn(drive(app.clone(), undriven));
    }
}

/// Does what takes time for a lane, until there is nothing left of it.
async fn drive(app: Arc<App>, Undriven { destination, number }: Undriven) {
    let (mut write, mut step) = (None::<BoxFuture<'_, ()>>, None::<BoxFuture<'_, ()>>);
    let mut stopping = false;
    loop {
        if app.shutdown.is_cancelled() && !std::mem::replace(&mut stopping, true) && step.take().is_some() {
            destination.read_failed(number);
        }
        let now = (Instant::now(), app.clock.now());
        let work = destination.work(number, now, !stopping, Uuid::new_v4);
        if let Some(envelopes) = work.write {
            write = Some(Box::pin(store(&app, &destination, number, envelopes)));
        }
        if let Some((next, probe)) = work.step {
            step = Some(Box::pin(run(&app, &destination, number, next, probe)));
        }
        if work.rest {
            return;
        }
        tokio::select! {
            () = finished(&mut write) => write = None,
            () = finished(&mut step) => step = None,
            () = destination.lane(number).woken() => {}
            () = at(work.until) => {}
            () = app.shutdown.cancelled(), if !stopping => {}
        }
    }
}

async fn finished(work: &mut Option<BoxFuture<'_, ()>>) {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Stores envelopes; a panic is a failure, and must not take the lane with it.
async fn store(app: &Arc<App>, destination: &Destination, number: u8, envelopes: Vec<Arc<NewEnvelope>>) {
    let quota = Some(delivery::quota(app));
    let ops = envelopes.into_iter().map(|envelope| WriteOp::Enqueue { envelope, quota }).collect();
    let written = AssertUnwindSafe(app.writer.write(ops)).catch_unwind().await;
    let stored = match written {
        Ok(Ok(written)) => Some(written.results.into_iter().map(Stored::from).collect()),
        Ok(Err(error)) => {
            tracing::error!(%error, "messages for another homeserver could not be stored");
            sleep(AFTER_FAILURE).await;
            None
        }
        Err(_) => None,
    };
    destination.written(number, stored);
}

/// Does a step about a lane's transactions; a panic is a failure, and must not take the lane with it.
async fn run(app: &Arc<App>, destination: &Arc<Destination>, number: u8, step: LaneStep, probe: Option<Probe>) {
    let done = AssertUnwindSafe(flight::run(app, destination, number, step, probe.is_some())).catch_unwind().await;
    if done.is_err() {
        tracing::error!("a step of the hand-over to another homeserver panicked");
        sleep(AFTER_FAILURE).await;
        destination.landed(number, Err(Unanswered::NoAnswer), Instant::now());
        destination.read_failed(number);
    }
    drop(probe);
}

impl From<WriteResult> for Stored {
    fn from(result: WriteResult) -> Self {
        match result {
            WriteResult::Stored { seq, .. } => Self::At(seq),
            WriteResult::Full => Self::Full,
            // No other operation is asked for.
            _ => Self::Gone,
        }
    }
}
