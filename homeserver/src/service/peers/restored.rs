//! Servers that were restored from a backup: they have lost what they had not delivered, so that everyone here is to send
//! again what they have not answered for.

use std::sync::Arc;

use missive_wire::ServerName;
use uuid::Uuid;

use crate::{
    app::App,
    error::{Error, StoreError},
    hub::Input,
    model::Restored,
    service::delivery,
};

/// The shortest time between two restores of a server that are told, by the retention clock. What its answers say within
/// it is heeded afterwards: a server that says another each time must not have every device told each time.
const PAUSE_MILLIS: i64 = 10 * 60 * 1_000;

/// The most restored servers that devices are told of: the latest.
const TOLD_MAX: i64 = 256;

/// Heeds a server's incarnation, as its signed answers say it. Once one has changed, every connected device of every
/// replica is told, and each that connects within the message lifetime.
pub async fn note_incarnation(app: &Arc<App>, server: &ServerName, incarnation: Uuid) {
    if app.known_peers.has_incarnation(server, incarnation) {
        return;
    }
    if let Err(error) = note(app, server, incarnation).await {
        tracing::warn!(%error, %server, "another server's incarnation could not be stored; its next answer tells it again");
    }
}

/// Reads which servers were restored, and tells connected devices of those that are new.
pub async fn load_restored(app: &Arc<App>) -> Result<(), StoreError> {
    let lifetime = i64::from(app.config.retention.message_lifetime_seconds).saturating_mul(1_000);
    let now = app.store.retention_clock().await?.millis;
    let restored = app.store.restored_peers(now.saturating_sub(lifetime), TOLD_MAX).await?;
    let before = app.known_peers.set_restored(restored.clone());
    for Restored { peer, .. } in restored.iter().filter(|one| !before.contains(one)) {
        app.known_peers.set_incarnation(&peer.server, peer.incarnation);
        delivery::tell_all(app, &|| Input::PeerRestored(peer.clone()));
    }
    Ok(())
}

async fn note(app: &Arc<App>, server: &ServerName, incarnation: Uuid) -> Result<(), Error> {
    let Some((known, changed_at)) = app.store.peer_incarnation(server).await? else { return Ok(()) };
    match known {
        None => app.store.first_incarnation(server, incarnation).await?,
        Some(known) if known == incarnation => app.known_peers.set_incarnation(server, incarnation),
        Some(known) => {
            let now = app.store.retention_clock().await?.millis;
            let is_late = changed_at.is_none_or(|at| now.saturating_sub(at) >= PAUSE_MILLIS);
            if is_late && app.store.change_incarnation(server, (known, incarnation), app.clock.now()).await? {
                tracing::warn!(%server, "another server was restored from a backup; senders send again what it has lost");
                app.control.notify_one();
            }
        }
    }
    Ok(())
}
