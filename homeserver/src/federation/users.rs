//! Users of this homeserver, as others find them and claim their keys.

use axum::extract::State;
use missive_wire::{ClaimedBundle, RemoteClaim, RemoteUser, RemoteUsers};
use serde::Deserialize;

use super::{PeerJson, PeerServer};
use crate::{
    service::{prekeys, remote_users},
    web::{Answer, Failure, PathOf, QueryOf, Shared},
};

/// How the names begin that are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Prefix {
    prefix: String,
}

/// Whether there is an account of that name.
pub(super) async fn show(
    State(app): State<Shared>,
    peer: PeerServer,
    PathOf(name): PathOf<String>,
) -> Result<Answer<RemoteUser>, Failure> {
    Ok(Answer::ok(remote_users::show(&app, &peer.origin, &name).await?))
}

/// The accounts whose names begin alike, where the admin lets others know.
pub(super) async fn list(
    State(app): State<Shared>,
    peer: PeerServer,
    QueryOf(query): QueryOf<Prefix>,
) -> Result<Answer<RemoteUsers>, Failure> {
    Ok(Answer::ok(remote_users::list(&app, &peer.origin, &query.prefix).await?))
}

/// Claims a bundle for one of the peer's users; the same claim again gets the same bundle.
pub(super) async fn claim(
    State(app): State<Shared>,
    peer: PeerServer,
    PathOf(name): PathOf<String>,
    PeerJson(claim): PeerJson<RemoteClaim>,
) -> Result<Answer<ClaimedBundle>, Failure> {
    Ok(Answer::ok(prekeys::claim_for(&app, &peer.origin, &name, claim).await?))
}
