//! Whether other servers are reached, for the admin to see.

use missive_wire::{ServerName, Timestamp};

use crate::{app::App, error::StoreError};

/// The longest reason that is stored, in characters.
const REASON: usize = 500;

/// A server gave a signed answer ([`super::call`] sees to it). That is stored once a minute, and first after a failure.
pub async fn note_reached(app: &App, server: &ServerName) -> Result<(), StoreError> {
    if app.known_peers.is_news(server) {
        app.store.peer_reached(server, app.clock.now()).await?;
        app.known_peers.reached(server);
    }
    Ok(())
}

/// A server could not be reached, and is tried again at `next_try`.
pub async fn note_failing(app: &App, server: &ServerName, reason: &str, next_try: Timestamp) -> Result<(), StoreError> {
    app.known_peers.failing(server);
    let reason: String = reason.chars().take(REASON).collect();
    app.store.peer_failing(server, &reason, app.clock.now(), next_try).await
}
