//! Other homeservers as the outbox sees them: whether anything may go there, and whether they can be reached.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use missive_wire::{Code, ServerName, Timestamp};
use uuid::Uuid;

use super::start;
use crate::{
    app::App,
    error::{Error, Result},
    hub::Destination,
    peers::{discovery::Asker, outbound::Bounds},
    service::peers::{PeerRequest, call, find, is_met, note_failing},
};

/// A word to a homeserver that it may try again.
const WAKE: Bounds = Bounds { time: Duration::from_secs(10), size: 16 * 1024 };

/// Homeservers that were not reached for longer than this, in milliseconds, are not told.
const LATELY_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// How many are told at a time, and at the most.
const WAKES: usize = 16;
const WAKES_MAX: i64 = 2_000;

/// Seconds after which a message to a homeserver that is only just looked for may come again.
const SOON: u64 = 3;

/// Whether messages and statuses may go to a homeserver: federation is on, the policy allows it, and its keys are known.
/// One that is not known is looked for, on behalf of `account`, while the message waits with its sender.
pub async fn check(app: &Arc<App>, server: &ServerName, account: Uuid) -> Result<()> {
    let Some(peers) = &app.peers else {
        let text = format!("{server} cannot be reached: this homeserver does not federate");
        return Err(Error::new(Code::UnknownServer, text));
    };
    if let Err(denied) = peers.policy.check(server) {
        return Err(Error::new(Code::UnknownServer, format!("{server} cannot be reached from here: {denied}")));
    }
    if is_met(app, server).await? {
        return Ok(());
    }
    let (looking, wanted) = (app.clone(), server.clone());
    app.tasks.spawn(async move {
        let found = find(&looking, &wanted, Asker::Account(account));
        if let Some(Err(error)) = looking.shutdown.run_until_cancelled(found).await {
            tracing::debug!(%error, "a message names a homeserver that is not found");
        }
    });
    let text = format!("the homeserver {server} is not known yet, and is looked for; send again in a moment");
    Err(Error::temporary(Code::UnknownServer, text, SOON))
}

/// A homeserver is there: a request or an answer of its was verified. What waits for it is tried now.
pub fn try_now(app: &Arc<App>, server: &ServerName) {
    if let Some(peers) = &app.peers {
        peers.discovery.hear(server);
    }
    start(app, app.lanes.try_now(server, app.clock.now()));
}

/// A call failed: the homeserver is left alone for a while.
pub(super) async fn failed(
    app: &Arc<App>,
    destination: &Destination,
    why: &str,
    code: &'static str,
    wait: Option<u64>,
    probing: bool,
) {
    let [jitter] = app.clock.random().unwrap_or([128]);
    let was_open = destination.reach.is_open();
    let failing = destination.reach.failed(app.clock.now(), jitter, wait, probing);
    metrics::counter!("federation_failures_total", "code" => code).increment(1);
    if was_open {
        tracing::warn!(server = %destination.server, code, why, "a homeserver cannot be reached; what is for it waits");
    } else {
        tracing::debug!(server = %destination.server, code, why, next_try = %failing.next_try, "still out of reach");
    }
    let noted = note_failing(app, &destination.server, why, failing.next_try).await;
    if let Err(error) = noted {
        tracing::error!(%error, "that could not be noted");
    }
}

/// A call succeeded. A homeserver that is back is told so, since it may have had as little success with us.
pub(super) fn succeeded(app: &Arc<App>, destination: &Arc<Destination>) {
    let (news, failing) = destination.reach.succeeded();
    if news {
        start(app, Destination::wake(destination));
    }
    let Some(failing) = failing else { return };
    tracing::info!(server = %destination.server, since = %failing.since, "a homeserver can be reached again");
    let (app, server) = (app.clone(), destination.server.clone());
    app.clone().tasks.spawn(async move { app.shutdown.run_until_cancelled(wake(&app, &server)).await });
}

/// Tells every homeserver that was reached lately that this one is back: they may have been waiting for it.
pub(super) async fn wake_all(app: Arc<App>) {
    if app.peers.is_none() {
        return;
    }
    let since = Timestamp::from_millis(app.clock.now().millis() - LATELY_MILLIS);
    let peers = match app.store.peers_lately(since, WAKES_MAX).await {
        Ok(peers) => peers,
        Err(error) => return tracing::error!(%error, "other homeservers are not told that this one is back"),
    };
    let all = stream::iter(peers).for_each_concurrent(WAKES, |server| {
        let app = app.clone();
        async move { wake(&app, &server).await }
    });
    tokio::select! {
        () = app.shutdown.cancelled() => {}
        () = all => {}
    }
}

/// Tells a homeserver that this one can be reached.
async fn wake(app: &Arc<App>, server: &ServerName) {
    let request =
        PeerRequest { method: Method::POST, path_and_query: "/federation/v1/wake", body: Bytes::new(), bounds: WAKE };
    if let Err(error) = call(app, server, Asker::Own, request).await {
        tracing::debug!(%server, %error, "a homeserver could not be told that this one is here");
    }
}
