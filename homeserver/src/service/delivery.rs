//! The hand-over: gives mailboxes their inputs, runs their jobs against the store, and carries what senders are to be
//! told to their mailboxes.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use missive_wire::{Address, KeysLow};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::{
    app::App,
    hub::{Done, End, Given, Input, Job, Notice, Op, Reading, SharedMailbox, Step, Written, merge},
    model::{DeviceKey, NewEnvelope},
    store::{Quota, Result, StoreError, WriteOp, WriteResult},
};

/// How long a mailbox waits before it asks a database again that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// The way to a device's mailbox, which remembers it.
pub struct Way {
    device: DeviceKey,
    /// The address of the device's account.
    address: Address,
    mailbox: Option<Arc<SharedMailbox>>,
}

impl Way {
    /// The way to a device of the account of that address.
    pub fn to(device: DeviceKey, address: Address) -> Self {
        Self { device, address, mailbox: None }
    }

    /// Gives the mailbox inputs, in their order, waking it if it sleeps; waits while it has no room.
    pub async fn give(&mut self, app: &Arc<App>, inputs: impl IntoIterator<Item = Input>) {
        let mut inputs = inputs.into_iter();
        loop {
            let mailbox = self.mailbox.get_or_insert_with(|| app.hub.mailbox(self.device, &self.address)).clone();
            // Begun before the look, so that room made after it is not missed.
            let room = mailbox.room();
            let given = mailbox.give(&mut inputs, Instant::now());
            follow_up(app, &mailbox, given);
            match given.end {
                End::All => return,
                End::NoRoom => room.await,
                End::Asleep => self.mailbox = None,
            }
        }
    }
}

/// Tells a device, if it is connected, that its one-time keys run low.
pub fn keys_low(app: &Arc<App>, device: DeviceKey, keys: KeysLow) {
    if let Some(mailbox) = app.hub.awake(device) {
        tell(app, &mailbox, Input::Keys(keys));
    }
}

/// Passes statuses on to the mailboxes of connected senders.
pub fn notify(app: &Arc<App>, notices: Vec<Notice>) {
    for Notice { device, status } in merge(notices) {
        if let Some(mailbox) = app.hub.awake(device) {
            tell(app, &mailbox, Input::Status(status));
        }
    }
}

/// Tells every mailbox of an account that is awake.
pub fn tell_account(app: &Arc<App>, account: Uuid, input: &dyn Fn() -> Input) {
    for mailbox in app.hub.of_account(account) {
        tell(app, &mailbox, input());
    }
}

/// Tells every mailbox that is awake.
pub fn tell_all(app: &Arc<App>, input: &dyn Fn() -> Input) {
    for mailbox in app.hub.all() {
        tell(app, &mailbox, input());
    }
}

/// The server stops: whatever waits in memory is stored.
pub fn shut_down(app: &Arc<App>) {
    for mailbox in app.hub.shut_down() {
        tell(app, &mailbox, Input::Shutdown);
    }
}

/// Gives a mailbox an input that never has to wait for room.
fn tell(app: &Arc<App>, mailbox: &Arc<SharedMailbox>, input: Input) {
    let given = mailbox.tell(input);
    follow_up(app, mailbox, given);
}

/// Does what giving an input to a mailbox calls for.
fn follow_up(app: &Arc<App>, mailbox: &Arc<SharedMailbox>, given: Given) {
    if given.start_driver {
        app.tasks.spawn(drive(app.clone(), mailbox.clone()));
    }
    if given.idle {
        app.hub.retire(mailbox);
    }
}

/// Does what takes time for a mailbox, until there is nothing left of it.
async fn drive(app: Arc<App>, mailbox: Arc<SharedMailbox>) {
    loop {
        match mailbox.next_step(Instant::now()) {
            Step::Run(job) => {
                let (done, repeated) = attempt(&app, mailbox.device, job).await;
                // After a write that was repeated, an earlier try may have been committed: what this one came to does
                // not tell what changed.
                notify(&app, mailbox.done(done, repeated));
            }
            Step::Wait(until) => tokio::select! {
                () = sleep_until(until) => {}
                () = mailbox.job() => {}
            },
            Step::Rest => break,
        }
    }
    app.hub.retire(&mailbox);
}

/// Runs a job; one that panics has failed, and must not take the mailbox with it.
async fn attempt(app: &Arc<App>, device: DeviceKey, job: Job) -> (Done, bool) {
    AssertUnwindSafe(execute(app, device, job)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a job of the hand-over panicked");
        (Done::Failed, false)
    })
}

async fn execute(app: &Arc<App>, device: DeviceKey, job: Job) -> (Done, bool) {
    let done =
        match job {
            Job::Count => app.store.backlog(device).await.map(|backlog| {
                (Done::Counted(u64::try_from(backlog.messages).unwrap_or_default(), backlog.newest), false)
            }),
            Job::Read(Reading { floor, except, limit }) => {
                let limit = i64::try_from(limit).unwrap_or_default();
                app.store.pending_messages(device, floor, &except, limit).await.map(|rows| (Done::Read(rows), false))
            }
            Job::ReadStatuses(limit) => {
                let rows = app.store.statuses(device, i64::try_from(limit).unwrap_or_default()).await;
                rows.map(|rows| (Done::ReadStatuses(rows), false))
            }
            Job::Write(ops) => write(app, device, ops).await,
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
        Op::TellElsewhere(status) => {
            let message_id = status.message_ids.first().copied().unwrap_or_default();
            let envelope = Arc::new(NewEnvelope::status(device.account, message_id, &status));
            WriteOp::Enqueue { envelope, quota: None }
        }
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
