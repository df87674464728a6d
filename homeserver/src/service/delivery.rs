//! The hand-over: runs a mailbox's jobs against the store, and carries what senders are to be told to their mailboxes.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use missive_wire::KeysLow;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    app::App,
    hub::{Done, Input, Job, Mailbox, Notice, Op, Outcome, WINDOW, Written},
    model::DeviceKey,
    store::{Quota, Result, StoreError, WriteOp, WriteResult},
};

/// How long a mailbox waits before it asks a database again that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Gives a device's mailbox an input, waking it if it sleeps.
pub async fn give(app: &Arc<App>, device: DeviceKey, input: Input) {
    let mailbox = app.hub.mailbox(device, |inputs| {
        app.tasks.spawn(run(app.clone(), device, inputs));
    });
    // A mailbox ends only when nobody holds a way to it, so this one is there.
    let _ = mailbox.send(input).await;
}

/// Tells a device, if it is connected, that its one-time keys run low.
pub async fn keys_low(app: &Arc<App>, device: DeviceKey, keys: KeysLow) {
    if let Some(mailbox) = app.hub.awake(device) {
        let _ = mailbox.send(Input::Keys(keys)).await;
    }
}

/// Passes statuses on to the mailboxes of connected senders. Never waits: a mailbox that is busy looks into the store.
pub fn notify(app: &Arc<App>, notices: Vec<Notice>) {
    for Notice { device, status } in notices {
        let Some(mailbox) = app.hub.awake(device) else { continue };
        if mailbox.try_send(Input::Status(status)).is_err() {
            app.tasks.spawn(async move { mailbox.send(Input::LookAgain).await });
        }
    }
}

/// A job under way: what it comes to, and whether it was tried more than once.
type Running = Pin<Box<dyn Future<Output = (Done, bool)> + Send>>;

async fn run(app: Arc<App>, device: DeviceKey, mut inputs: mpsc::Receiver<Input>) {
    let Some(mut mailbox) = wake(&app, device).await else {
        refuse(&app, device, inputs).await;
        return;
    };
    let mut running: Option<Running> = None;
    let mut stopping = false;
    loop {
        if running.is_none() {
            running = mailbox.next_job().map(|job| Box::pin(execute(app.clone(), device, job)) as Running);
        }
        if mailbox.is_idle() && app.hub.retire(device, &inputs) {
            return;
        }
        tokio::select! {
            Some(input) = inputs.recv(), if mailbox.has_room() => mailbox.input(input, Instant::now()),
            (done, repeated) = finished(&mut running) => {
                running = None;
                notify(&app, mailbox.done(done));
                if repeated {
                    // An earlier try may have been committed: what this one came to does not tell what changed.
                    mailbox.input(Input::LookAgain, Instant::now());
                }
            }
            () = until(mailbox.deadline()) => mailbox.expire(Instant::now()),
            () = idle_check(mailbox.is_idle()) => {}
            () = app.shutdown.cancelled(), if !stopping => {
                stopping = true;
                mailbox.input(Input::Shutdown, Instant::now());
            }
        }
    }
}

/// The mailbox of a device whose account exists.
async fn wake(app: &Arc<App>, device: DeviceKey) -> Option<Mailbox> {
    loop {
        match app.directory.by_id(&app.store, device.account).await {
            Ok(entry) => return entry.map(|entry| Mailbox::new(app.address(&entry.name))),
            Err(error) if app.shutdown.is_cancelled() => {
                tracing::warn!(%error, "a mailbox could not be opened before the shutdown");
                return None;
            }
            Err(error) => {
                tracing::warn!(%error, "a mailbox could not be opened; trying again");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Answers for a device that does not exist until nobody asks any more.
async fn refuse(app: &Arc<App>, device: DeviceKey, mut inputs: mpsc::Receiver<Input>) {
    while !app.hub.retire(device, &inputs) {
        tokio::select! {
            Some(input) = inputs.recv() => {
                if let Input::Deliver { reply, .. } = input {
                    reply.tell(if app.shutdown.is_cancelled() { Outcome::Failed } else { Outcome::Gone });
                }
            }
            // Whoever held a way to it may have let it go without a word.
            () = idle_check(true) => {}
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// An idle mailbox that someone still holds a way to looks again soon whether it may sleep.
async fn idle_check(idle: bool) {
    if idle {
        sleep(Duration::from_millis(100)).await;
    } else {
        std::future::pending::<()>().await;
    }
}

async fn finished(running: &mut Option<Running>) -> (Done, bool) {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

async fn execute(app: Arc<App>, device: DeviceKey, job: Job) -> (Done, bool) {
    let done =
        match job {
            Job::Count => app.store.backlog(device).await.map(|backlog| {
                (Done::Counted(u64::try_from(backlog.messages).unwrap_or_default(), backlog.newest), false)
            }),
            Job::Read(limit) => {
                let limit = i64::try_from(limit.min(WINDOW)).unwrap_or_default();
                app.store.pending_messages(device, 0, &[], limit).await.map(|rows| (Done::Read(rows), false))
            }
            Job::ReadStatuses(limit) => {
                let rows = app.store.statuses(device, i64::try_from(limit).unwrap_or_default()).await;
                rows.map(|rows| (Done::ReadStatuses(rows), false))
            }
            Job::Write(ops) => write(&app, device, ops).await,
        };
    match done {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "the hand-over could not use the database");
            sleep(AFTER_FAILURE).await;
            (Done::Failed, false)
        }
    }
}

async fn write(app: &Arc<App>, device: DeviceKey, ops: Vec<Op>) -> Result<(Done, bool)> {
    let Some(entry) = app.directory.by_id(&app.store, device.account).await? else {
        // The account went away: its rows are gone, and so is whoever could settle them.
        return Ok((Done::Written(ops.iter().map(|_| Written::Gone).collect()), false));
    };
    let quota = quota(app);
    let receiver = app.address(&entry.name);
    let ops = ops.into_iter().map(|op| match op {
        Op::Store(message) => WriteOp::Store { device, message, quota },
        Op::Settle(which, state, code) => WriteOp::Settle { device, receiver: receiver.clone(), which, state, code },
        Op::PutStatus(status) => WriteOp::PutStatus(status, None),
        Op::AcknowledgeStatuses(ids, state) => WriteOp::AcknowledgeStatuses { device, ids, state },
    });
    let written = app.writer.write(ops.collect()).await.map_err(|error| StoreError(error.into()))?;
    Ok((Done::Written(written.results.into_iter().map(Written::from).collect()), written.repeated))
}

/// What an account's store may hold.
pub fn quota(app: &App) -> Quota {
    Quota { entries: app.config.limits.pending_messages, bytes: app.config.limits.pending_bytes }
}

impl From<WriteResult> for Written {
    fn from(result: WriteResult) -> Self {
        match result {
            WriteResult::Stored { seq, new } => Self::Stored(seq, new),
            WriteResult::Gone => Self::Gone,
            WriteResult::Full => Self::Full,
            WriteResult::Settled(rows) => Self::Settled(rows),
            WriteResult::Done(rows) => Self::Rows(rows),
            // No mailbox claims keys.
            WriteResult::Claimed(_) => Self::Rows(0),
        }
    }
}
