//! What an admin sees and decides about other servers.

use missive_wire::{Code, ServerName};

use crate::{
    app::App,
    error::{Error, Result, StoreError},
    model::{PeerRow, Unexplained},
    peers::trust::{self, KeyDocument},
    store::Pins,
};

/// A server that was met, with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDetails {
    /// How things stand with it.
    pub peer: PeerRow,
    /// What is known of its keys.
    pub pins: Pins,
}

/// Every server that was met, by name.
pub async fn list(app: &App) -> Result<Vec<PeerRow>, StoreError> {
    app.store.peers().await
}

/// A server that was met; refused where it never was.
pub async fn details(app: &App, server: &ServerName) -> Result<PeerDetails> {
    match (app.store.peer(server).await?, app.store.pins(server).await?) {
        (Some(peer), Some(pins)) => Ok(PeerDetails { peer, pins }),
        _ => Err(never_met(server)),
    }
}

/// Pins the keys that a server publishes in place of all that was trusted of it, its recovery key too; what was revoked
/// stays so. `seen` is what the admin has looked at.
pub async fn accept(app: &App, server: &ServerName, seen: &Unexplained) -> Result<()> {
    let now = app.clock.now();
    let refused =
        |error: String| Error::new(Code::Refused, format!("the keys of {server} cannot be accepted: {error}"));
    let document = KeyDocument::try_from(seen.keys.clone()).map_err(|error| refused(error.to_string()))?;
    let accepted = trust::first(server, &document, now).map_err(|error| refused(error.to_string()))?;
    if !app.store.accept_pins(server, seen, accepted, now).await? {
        let text = format!("{server} has changed its keys once more meanwhile: look at them again");
        return Err(Error::new(Code::Refused, text));
    }
    announce(app);
    Ok(())
}

/// Forgets a server as if it had never been met: whatever keys it then shows first are pinned.
pub async fn forget(app: &App, server: &ServerName) -> Result<()> {
    if !app.store.forget_peer(server, app.clock.now()).await? {
        return Err(never_met(server));
    }
    announce(app);
    Ok(())
}

/// An admin, perhaps by another process, changed what is trusted: nothing that was read before counts.
pub fn read_anew(app: &App) {
    app.known_peers.forget_all();
    if let Some(peers) = &app.peers {
        peers.discovery.forget_all();
    }
}

fn announce(app: &App) {
    read_anew(app);
    app.control.notify_one();
}

fn never_met(server: &ServerName) -> Error {
    let text = format!("{server} was never met: `missivectl federation peer list` shows those that were");
    Error::new(Code::NotFound, text)
}
