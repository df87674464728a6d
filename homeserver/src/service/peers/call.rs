//! Signed calls to other servers, and the answers that count.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use missive_wire::ServerName;

use super::{PeerError, find, key, standing, ways};
use crate::{
    app::App,
    peers::{
        call::Answer,
        discovery::Asker,
        outbound::Bounds,
        signature::{Outgoing, SignedRequest},
    },
    service::outbox,
};

/// What is asked of another server.
#[derive(Debug, Clone)]
pub struct PeerRequest<'a> {
    /// How.
    pub method: Method,
    /// From `/federation/v1` on; percent-encoded where a URL must be.
    pub path_and_query: &'a str,
    /// JSON, or nothing.
    pub body: Bytes,
    /// How long it may take, and how large the answer may be.
    pub bounds: Bounds,
}

/// Calls a server, once. Only an answer that it signed for this request is one, whatever its status.
pub async fn call(
    app: &Arc<App>,
    server: &ServerName,
    asker: Asker,
    request: PeerRequest<'_>,
) -> Result<Answer, PeerError> {
    let peer = find(app, server, asker).await?;
    let signed = sign(app, server, &request)?;
    let peers = ways(app)?;
    let failed = |error| {
        peers.discovery.doubt(&peer.found);
        PeerError::Call { server: server.clone(), error }
    };
    let unread = peers.call(&peer.found, &signed, request.body, request.bounds).await.map_err(failed)?;
    let key = key(app, server, unread.key_id(), unread.created(), asker).await?;
    let answer = unread.read(&key).await.map_err(failed)?;
    // Whatever waits for it need not wait any longer.
    outbox::try_now(app, server);
    if let Err(error) = standing::note_reached(app, server).await {
        tracing::warn!(%error, "that another server was reached could not be stored");
    }
    Ok(answer)
}

/// Asks a server whether it hears this one, and signs so.
pub async fn ping(app: &Arc<App>, server: &ServerName, asker: Asker) -> Result<Answer, PeerError> {
    let bounds = Bounds { time: Duration::from_secs(10), size: 16 * 1024 };
    let request =
        PeerRequest { method: Method::POST, path_and_query: "/federation/v1/ping", body: Bytes::new(), bounds };
    call(app, server, asker, request).await
}

fn sign(app: &App, server: &ServerName, request: &PeerRequest<'_>) -> Result<SignedRequest, PeerError> {
    let pair = app.federation_keys.signing(&app.clock).ok_or(PeerError::NoSigningKey)?;
    let nonce = app.clock.random().ok_or(PeerError::NoRandomness)?;
    let outgoing = Outgoing {
        method: &request.method,
        origin: &app.server_name,
        destination: server,
        path_and_query: request.path_and_query,
        body: &request.body,
    };
    Ok(outgoing.sign(pair.id(), |base| pair.sign(base), app.clock.now(), &nonce)?)
}
