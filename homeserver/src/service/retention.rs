//! Retention: a message that waits longer than the message lifetime expires, for a device or for another homeserver, and
//! its sender is told so.
//!
//! Only time that servers ran counts, so that nobody loses a message because the server was down. One server, the
//! holder of the stored clock, adds to it what its own monotonic clock says has passed; no wall clock has a part in it.
//! Whatever is uncertain keeps messages longer: time that cannot be added, or may have been, is not added.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use missive_wire::{Code, State};
use uuid::Uuid;

use crate::{
    app::App,
    error::StoreError,
    model::OutboxRow,
    store::{ExpiredMessage, Result, RetentionClock, Store, WriteOp, WriteResult},
};

/// How often the clock is read and advanced; more often where messages live so shortly that it would matter.
const TICK: Duration = Duration::from_secs(30);
const TICK_MIN: Duration = Duration::from_millis(100);

/// The most ticks that are added at once: a server that was stopped or suspended for longer has not served meanwhile.
const TICKS_AT_ONCE: u32 = 2;

/// How many ticks the holder may stay silent before another server takes over.
const PATIENCE: u32 = 4;

/// How many messages expire in one commit: few, because whoever sends and receives meanwhile waits for it.
const CHUNK: i64 = 100;

/// How many such commits follow on one tick. More that has expired waits for the next.
const CHUNKS: usize = 200;

/// One server's part in keeping the clock.
#[derive(Debug)]
pub struct Retention {
    /// Who this is, until it stops.
    id: Uuid,
    lifetime: Duration,
    /// Whether no other server can be on the database: a lock sees to that on SQLite.
    alone: bool,
    /// While this is the holder: what has passed since is not added yet.
    counted: Instant,
    /// The beat that was read last, and when it was read first.
    seen: Option<(i64, Instant)>,
    /// Accounts that do not know yet of what was settled.
    untold: BTreeSet<Uuid>,
}

impl Retention {
    /// The part of a server that starts.
    pub fn new(app: &App) -> Self {
        Self {
            id: app.clock.new_id(),
            lifetime: Duration::from_secs(app.config.retention.message_lifetime_seconds.into()),
            alone: matches!(app.store, Store::Sqlite { .. }),
            counted: Instant::now(),
            seen: None,
            untold: BTreeSet::new(),
        }
    }

    /// How often [`Retention::advance`] is due.
    pub fn tick(&self) -> Duration {
        (self.lifetime / 10).clamp(TICK_MIN, TICK)
    }

    /// Advances the clock and settles what has expired, if this server is the holder; else takes over from one that is
    /// gone. After an error the time that it was about is not counted, and nothing has expired.
    pub async fn advance(&mut self, app: &Arc<App>) -> Result<()> {
        let clock = app.store.retention_clock().await?;
        if clock.holder == Some(self.id) {
            let ran = self.take_uncounted();
            if app.store.advance_retention_clock(&clock, ran, Some(self.id)).await? {
                self.expire(app, clock.millis).await?;
            }
        } else if self.may_take_over(&clock) {
            self.counted = Instant::now();
            if app.store.advance_retention_clock(&clock, Duration::ZERO, Some(self.id)).await? {
                tracing::debug!(millis = clock.millis, "this server keeps the retention clock from now on");
            }
        }
        Ok(())
    }

    /// The server stops: adds what has passed since the last tick, and leaves the clock to whoever comes.
    pub async fn leave(mut self, app: &App) -> Result<()> {
        let clock = app.store.retention_clock().await?;
        if clock.holder == Some(self.id) {
            app.store.advance_retention_clock(&clock, self.take_uncounted(), None).await?;
        }
        Ok(())
    }

    /// What has passed since this was asked last. Nothing is counted twice, whatever becomes of it.
    fn take_uncounted(&mut self) -> Duration {
        let now = Instant::now();
        let ran = now.duration_since(std::mem::replace(&mut self.counted, now));
        ran.min(self.tick() * TICKS_AT_ONCE)
    }

    fn may_take_over(&mut self, clock: &RetentionClock) -> bool {
        let now = Instant::now();
        let (beat, since) = self.seen.filter(|(beat, _)| *beat == clock.beat).unwrap_or((clock.beat, now));
        self.seen = Some((beat, since));
        self.alone || clock.holder.is_none() || now.duration_since(since) > self.tick() * PATIENCE
    }

    /// Settles what has expired when the clock reads `millis`, oldest first, and lets everyone concerned look again.
    async fn expire(&mut self, app: &Arc<App>, millis: i64) -> Result<()> {
        // What is added at once may have passed before a message came: it does not count against that one.
        let kept = self.lifetime + self.tick() * TICKS_AT_ONCE;
        let before = millis.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let mut swept = self.sweep(app, before).await;
        if swept.is_ok() {
            swept = self.sweep_outbox(app, before).await;
        }
        self.tell(app).await?;
        swept
    }

    async fn sweep(&mut self, app: &Arc<App>, before: i64) -> Result<()> {
        for _ in 0..CHUNKS {
            let expired = app.store.expired_messages(before, CHUNK).await?;
            if expired.is_empty() || app.shutdown.is_cancelled() {
                break;
            }
            // Told even where it stays unknown whether they were settled.
            self.untold.extend(expired.iter().flat_map(|one| [Some(one.device.account), one.sender]).flatten());
            let settled = settle(app, expired).await?;
            metrics::counter!("messages_expired_total").increment(settled as u64);
            if settled == 0 {
                break;
            }
            tracing::info!(messages = settled, "messages expired");
        }
        Ok(())
    }

    async fn sweep_outbox(&mut self, app: &Arc<App>, before: i64) -> Result<()> {
        for _ in 0..CHUNKS {
            let expired = app.store.expired_outbox(before, CHUNK).await?;
            if expired.is_empty() || app.shutdown.is_cancelled() {
                break;
            }
            let messages = expired.iter().filter(|row| row.key.state.is_none());
            self.untold.extend(messages.map(|row| row.key.account));
            let settled = settle_outbox(app, expired).await?;
            metrics::counter!("envelopes_expired_total").increment(settled as u64);
            if settled == 0 {
                break;
            }
            tracing::info!(envelopes = settled, "envelopes for other homeservers expired");
        }
        Ok(())
    }

    /// Connected senders are told what is stored for them, and connected receivers no longer awaited, on whichever server
    /// they are.
    async fn tell(&mut self, app: &App) -> Result<()> {
        if !self.untold.is_empty() {
            app.store.tell_stored(&self.untold, app.clock.now()).await?;
            self.untold.clear();
            app.control.notify_one();
        }
        Ok(())
    }
}

/// Settles messages as expired; how many. Those that their receivers have settled meanwhile are not among them.
async fn settle(app: &App, expired: Vec<ExpiredMessage>) -> Result<usize> {
    let ops = expired.into_iter().map(|message| WriteOp::Settle {
        device: message.device,
        receiver: app.address(&message.receiver),
        which: message.which,
        state: State::Undeliverable,
        code: Some(Code::Expired),
    });
    let written = app.writer.write(ops.collect()).await.map_err(|error| StoreError(error.into()))?;
    let rows = |result: &WriteResult| if let WriteResult::Settled(rows) = result { rows.len() } else { 0 };
    Ok(written.results.iter().map(rows).sum())
}

/// Settles envelopes as expired; how many. The sender of a message is told, and of a status nobody.
async fn settle_outbox(app: &App, expired: Vec<OutboxRow>) -> Result<usize> {
    let ops = expired.into_iter().map(|row| {
        let status = row.status(State::Undeliverable, Some(Code::Expired));
        WriteOp::Dequeue { row, status }
    });
    let written = app.writer.write(ops.collect()).await.map_err(|error| StoreError(error.into()))?;
    Ok(written.results.iter().filter(|result| matches!(result, WriteResult::Done(1))).count())
}
