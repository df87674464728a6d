//! Periodic work: following control events, keeping the database tidy, and letting messages expire.

use std::{sync::Arc, time::Duration};

use missive_wire::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::{
    app::App,
    error::StoreError,
    service::{
        control::{Follower, POLL},
        federation_keys, outbox, peers,
        retention::Retention,
        tokens,
    },
};

/// How often the database is tidied.
const TIDY: Duration = Duration::from_mins(1);

/// Control events are kept for three hours: a starting server needs those of the last 15 minutes, as long as an access
/// token lives, and whoever wrote them may have a clock that is an hour or two slow.
const CONTROL_EVENTS_MILLIS: i64 = 3 * 60 * 60 * 1_000;

/// Answers to other homeservers' transactions are kept for a day, and their claims for an hour: so long do they get the
/// same again.
const ANSWERS_MILLIS: i64 = 24 * CLAIMS_MILLIS;
const CLAIMS_MILLIS: i64 = 60 * 60 * 1_000;

/// Homeservers that were met and never answered are forgotten after a month.
const STRANGERS_MILLIS: i64 = 30 * ANSWERS_MILLIS;

/// Loads the recent control events, then starts every periodic task.
pub async fn start(app: &Arc<App>) -> Result<(), StoreError> {
    let follower = Follower::begin(app).await?;
    app.tasks.spawn(follow(app.clone(), follower));
    app.tasks.spawn(tidy(app.clone()));
    app.tasks.spawn(retain(app.clone()));
    app.tasks.spawn(outbox::follow(app.clone()));
    Ok(())
}

async fn follow(app: Arc<App>, mut follower: Follower) {
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sleep_until(Instant::now() + POLL) => {}
            () = app.control.notified() => {}
        }
        if let Err(error) = follower.poll(&app).await {
            tracing::error!(%error, "control events could not be read");
        }
    }
}

async fn tidy(app: Arc<App>) {
    let mut ticks = interval(TIDY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = tidy_once(&app).await {
            tracing::error!(%error, "the database could not be tidied");
        }
        federation_keys::tend(&app).await;
        metrics::gauge!("mailboxes_awake").set(u32::try_from(app.hub.len()).unwrap_or(u32::MAX));
    }
}

async fn tidy_once(app: &Arc<App>) -> Result<(), StoreError> {
    let before = Timestamp::from_millis(app.clock.now().millis() - CONTROL_EVENTS_MILLIS);
    app.store.purge_control_events(before).await?;
    let purged = tokens::purge_expired(app).await?;
    if purged > 0 {
        tracing::info!(sessions = purged, "expired sessions purged");
    }
    let now = app.clock.now();
    let ago = |millis| Timestamp::from_millis(now.millis() - millis);
    app.store.purge_federation(now, ago(ANSWERS_MILLIS), ago(CLAIMS_MILLIS)).await?;
    app.store.purge_strangers(ago(STRANGERS_MILLIS)).await?;
    // Those whose time is over are no longer told.
    peers::load_restored(app).await?;
    app.store.truncate_wal().await
}

async fn retain(app: Arc<App>) {
    let mut retention = Retention::new(&app);
    let mut ticks = interval(retention.tick());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = retention.advance(&app).await {
            tracing::error!(%error, "the retention clock stands still; nothing expires meanwhile");
        }
    }
    if let Err(error) = retention.leave(&app).await {
        tracing::warn!(%error, "the last moments before the stop are not counted for retention");
    }
}
