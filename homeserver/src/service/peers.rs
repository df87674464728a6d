//! Other homeservers: which were met, which of their keys are trusted, and calling them.

mod admin;
mod answer;
mod call;
mod error;
mod pins;
mod restored;
mod standing;
mod told;

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use missive_wire::{ServerName, Timestamp};

pub use admin::{PeerDetails, accept, details, forget, list, read_anew};
pub use answer::check_answer;
pub use call::{PeerRequest, call, ping};
pub use error::PeerError;
pub use restored::{load_restored, note_incarnation};
pub use standing::{note_failing, note_reached};

use crate::{
    app::{App, Begun, Limit},
    error::{Error, StoreError},
    model::PinnedKeys,
    peers::{
        Peers,
        discovery::{Asker, Discovered},
        domain,
        trust::{self, KeyError},
    },
};

/// A server that was found, and whose keys are known.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it is, and what it publishes.
    pub found: Arc<Discovered>,
    /// What is trusted of its keys.
    pub pinned: Arc<PinnedKeys>,
}

/// Whether a server was ever met: its keys are pinned.
pub async fn is_met(app: &App, server: &ServerName) -> Result<bool, StoreError> {
    Ok(pins::known(app, server).await?.is_some())
}

/// Finds a server, and holds what it publishes against what is pinned of its keys; at first contact, pins them, but not on
/// the word of a request that was not verified.
pub async fn find(app: &Arc<App>, server: &ServerName, asker: Asker) -> Result<Peer, PeerError> {
    let found = ways(app)?.discovery.find(server, asker).await?;
    let pinned = pins::judged(app, &found, asker.is_stranger()).await?;
    Ok(Peer { found, pinned })
}

/// A server that was never met has signed a request: counts one more meeting of its domain, or refuses it. Requests that
/// come together, while what this returns is held, are one meeting.
pub async fn check_meeting(app: &App, server: &ServerName) -> Result<Option<Begun>, Error> {
    if is_met(app, server).await? {
        return Ok(None);
    }
    let meeting = app.meetings.begin(server, "");
    if meeting.is_some() {
        app.limits.check(Limit::Meeting, &domain::registrable(server))?;
    }
    Ok(meeting)
}

/// A server has signed a request at `at`, with the key of that id: from now on it is met. What it publishes is read again
/// where that was long ago, so that a key that it has revoked meanwhile does not count.
pub async fn meet(app: &Arc<App>, server: &ServerName, key_id: &str, at: Timestamp) -> Result<(), PeerError> {
    key(app, server, key_id, at, Asker::Own).await.map(drop)
}

/// The key with which what a server signed at `at` is verified, if it is among those that are pinned. Nobody is asked.
pub async fn pinned_key(
    app: &App,
    server: &ServerName,
    key_id: &str,
    at: Timestamp,
) -> Result<Option<VerifyingKey>, StoreError> {
    let known = pins::known(app, server).await?;
    Ok(known.and_then(|known| trust::key(&known.pinned, key_id, at).ok()))
}

/// The key of a server with which what it signed at `at` is verified. One that is not known is looked for, at most every
/// 15 seconds.
pub async fn key(
    app: &Arc<App>,
    server: &ServerName,
    key_id: &str,
    at: Timestamp,
    asker: Asker,
) -> Result<VerifyingKey, PeerError> {
    let peers = ways(app)?;
    let pinned = match find(app, server, asker).await {
        Ok(peer) => peer.pinned,
        Err(error) => pinned_anyway(app, server, error).await?,
    };
    let failed = |error| PeerError::Key { server: server.clone(), key_id: key_id.to_owned(), error };
    match trust::key(&pinned, key_id, at) {
        Err(KeyError::Unknown) => {
            let found = peers.discovery.look_again(server, asker).await?;
            let pinned = pins::judged(app, &found, asker.is_stranger()).await?;
            trust::key(&pinned, key_id, at).map_err(failed)
        }
        known => known.map_err(failed),
    }
}

/// What is pinned of a server that cannot be asked now: that its document is away does not make it another.
async fn pinned_anyway(app: &App, server: &ServerName, error: PeerError) -> Result<Arc<PinnedKeys>, PeerError> {
    if !error.is_about_finding() {
        return Err(error);
    }
    match pins::known(app, server).await? {
        Some(known) => Ok(known.pinned),
        None => Err(error),
    }
}

/// The ways to other servers, where this one federates.
fn ways(app: &App) -> Result<&Peers, PeerError> {
    app.peers.as_ref().ok_or(PeerError::Disabled)
}
