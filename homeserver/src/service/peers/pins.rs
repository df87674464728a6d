//! Which keys of a server are trusted: pinned when it is first met, then extended by what it can explain.

use std::sync::Arc;

use missive_wire::{ServerKeys, ServerName};

use super::PeerError;
use crate::{
    app::{App, Known},
    error::StoreError,
    model::{PinnedKeys, Unexplained},
    peers::{
        discovery::Discovered,
        trust::{self, Change, Verdict},
    },
    store::Pins,
};

/// How often a change is judged anew because another process changed the pins at the same moment.
const TRIES: usize = 5;

/// What is known of a server, if it was ever met.
pub(super) async fn known(app: &App, server: &ServerName) -> Result<Option<Known>, StoreError> {
    if let Some(known) = app.known_peers.get(server) {
        return Ok(Some(known));
    }
    if app.known_peers.is_stranger(server) {
        return Ok(None);
    }
    let epoch = app.known_peers.epoch();
    let pins = app.store.pins(server).await?;
    let known = pins.map(|pins| Known { pinned: Arc::new(pins.pinned), judged: None });
    app.known_peers.remember(server, known.clone(), epoch);
    Ok(known)
}

/// Holds what a server publishes against what is pinned, and gives what is trusted of it now. One that was never met is
/// pinned, unless a `stranger` has named it: then its keys may verify that stranger, and nothing is written down.
pub(super) async fn judged(app: &App, found: &Arc<Discovered>, stranger: bool) -> Result<Arc<PinnedKeys>, PeerError> {
    if stranger && known(app, &found.server).await?.is_none() {
        return first(app, found).await;
    }
    let remembered = app.known_peers.get(&found.server);
    let is_this = |known: &Known| known.judged.as_ref().is_some_and(|judged| Arc::ptr_eq(judged, found));
    if let Some(known) = remembered.filter(is_this) {
        return Ok(known.pinned);
    }
    for _ in 0..TRIES {
        let epoch = app.known_peers.epoch();
        let trusted = match app.store.pins(&found.server).await? {
            None => meet(app, found).await?,
            Some(pins) => update(app, found, pins).await?.map(Arc::new),
        };
        if let Some(pinned) = trusted {
            let known = Known { pinned, judged: Some(found.clone()) };
            app.known_peers.remember(&found.server, Some(known.clone()), epoch);
            return Ok(known.pinned);
        }
    }
    Err(StoreError("other processes keep changing what is pinned of a server".into()).into())
}

/// Pins the first keys; `None` if another process was quicker.
async fn meet(app: &App, found: &Arc<Discovered>) -> Result<Option<Arc<PinnedKeys>>, PeerError> {
    let (server, pinned) = (&found.server, first(app, found).await?);
    let is_first = app.store.pin_first(server, &pinned, app.clock.now()).await?;
    if is_first {
        tracing::info!(%server, "another server was met, and its keys are pinned");
    }
    Ok(is_first.then_some(pinned))
}

/// What is pinned at first contact. It is judged once, however many requests name the server.
async fn first(app: &App, found: &Arc<Discovered>) -> Result<Arc<PinnedKeys>, PeerError> {
    let (judged, now) = (found.clone(), app.clock.now());
    let judge = move || trust::first(&judged.server, &judged.keys, now).map(Arc::new);
    let outcome = found.first.get_or_try_init(|| beside(judge)).await?;
    outcome.clone().map_err(|error| PeerError::FirstKeys { server: found.server.clone(), error })
}

/// Checks signatures where that keeps no other request waiting: a document may have a thousand.
async fn beside<T: Send + 'static>(judge: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(judge).await.map_err(|error| StoreError(error.into()))
}

/// Takes over what is explained, and keeps for the admin what is not; `None` if another process changed the pins
/// meanwhile.
async fn update(app: &App, found: &Arc<Discovered>, stored: Pins) -> Result<Option<PinnedKeys>, StoreError> {
    let server = &found.server;
    let (judged, before, now) = (found.clone(), stored.pinned.clone(), app.clock.now());
    let verdict = beside(move || trust::judge(&judged.server, &before, &judged.keys, now)).await?;
    let (pinned, unexplained) = match verdict {
        Verdict::Trusted(pinned) => (pinned, None),
        Verdict::Unexplained { trusted, changes } => (trusted, Some(aside(app, found, &changes))),
    };
    let is_told = match (&unexplained, &stored.unexplained) {
        (Some(new), Some(old)) => new.is_same(old),
        (new, old) => new.is_none() && old.is_none(),
    };
    if is_told && pinned == stored.pinned {
        return Ok(Some(pinned));
    }
    let unexplained = if is_told { stored.unexplained } else { unexplained };
    let new = Pins { pinned, unexplained };
    if !app.store.replace_pins(server, &stored.pinned, &new).await? {
        return Ok(None);
    }
    if let Some(unexplained) = new.unexplained.filter(|_| !is_told) {
        let changes = unexplained.changes.join("; ");
        tracing::warn!(
            %server, changes,
            "another server's keys have changed, and nothing explains it: what was trusted stays trusted; \
             `missivectl federation peer show` says more"
        );
    }
    Ok(Some(new.pinned))
}

fn aside(app: &App, found: &Discovered, changes: &[Change]) -> Unexplained {
    Unexplained {
        noticed_at: app.clock.now(),
        changes: changes.iter().map(ToString::to_string).collect(),
        keys: ServerKeys::from(&found.keys),
    }
}
