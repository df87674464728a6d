//! This server's own federation keys: what of them is published, and keeping them as the database has them.

mod change;

use missive_wire::{Code, FEDERATION_VERSION, FederationKey, ServerDocument, ServerKeys, Timestamp};

pub use change::{Revoked, Signer, add_recovery_key, revoke, rotate, there_is_one};

use crate::{
    app::App,
    error::{Error, Result, StoreError},
    keys::federation::{KeyRing, KeyState, OwnKey},
};

/// A key, as an admin sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// The key as it is published; its end is the one that counts.
    pub key: FederationKey,
    /// What it is for now.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who signed for it: the key before it, or `recovery`; nobody for the first.
    pub signed_by: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where this server is, and its keys; refused where it does not federate.
pub fn document(app: &App) -> Result<ServerDocument> {
    let keys = published(app)?;
    let base_url = app.config.federation.base_url.clone();
    Ok(ServerDocument {
        base_url: base_url.unwrap_or_else(|| format!("https://{}", app.server_name)),
        server_name: app.server_name.clone(),
        versions: vec![FEDERATION_VERSION.to_owned()],
        keys,
    })
}

/// The keys that others may know; refused where this server does not federate.
pub fn published(app: &App) -> Result<ServerKeys> {
    if !app.config.federation.enabled {
        let text = "this homeserver does not federate (its admin has not set federation.enabled = true)";
        return Err(Error::new(Code::NotFound, text));
    }
    Ok(app.federation_keys.ring().published(app.clock.now()))
}

/// Every key there is or was, oldest first.
pub fn list(app: &App) -> Vec<KeySummary> {
    let (ring, now) = (app.federation_keys.ring(), app.clock.now());
    let summary = |key: &OwnKey| KeySummary {
        key: ring.entry(key),
        state: ring.state(key, now),
        created_at: key.row.created_at,
        signed_by: key.row.statement.as_ref().map(|statement| statement.signed_by.clone()),
        revoked_at: key.row.revoked.as_ref().map(|(at, _)| *at),
    };
    ring.keys().iter().map(summary).collect()
}

/// Reads the keys again.
pub async fn reload(app: &App) -> Result<(), StoreError> {
    let (rows, recovery) = (app.store.federation_keys().await?, app.store.recovery_key().await?);
    let ring = KeyRing::open(rows, recovery, &app.master_key).map_err(|error| StoreError(error.into()))?;
    app.federation_keys.replace(ring);
    Ok(())
}

/// Replaces a key in time before it ends, and deletes private halves that are of no use any more.
pub async fn tend(app: &App) {
    let now = app.clock.now();
    let ring = app.federation_keys.ring();
    if app.config.federation.enabled && ring.signing(now).is_none() {
        tracing::error!("every federation key has ended: `missivectl federation key rotate --recovery-key FILE` helps");
    }
    if ring.is_due(now) {
        match renew(app).await {
            Ok(()) => tracing::info!("the federation key is near its end: it has a successor"),
            Err(error) => tracing::error!(%error, "the federation key is near its end, and has no successor"),
        }
    }
    for id in ring.spent(now) {
        if let Err(error) = app.store.forget_federation_secret(id, now).await {
            tracing::error!(%error, "the private half of an old federation key could not be deleted");
        }
    }
}

/// Another replica may just have done it.
async fn renew(app: &App) -> Result<()> {
    reload(app).await?;
    if app.federation_keys.ring().is_due(app.clock.now()) {
        rotate(app, Signer::Newest, None).await?;
    }
    Ok(())
}
