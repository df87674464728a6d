//! Envelopes of other homeservers' users, many at a time.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, State},
};
use missive_wire::{Code, TransactionAnswer};

use super::PeerServer;
use crate::{
    error::Error,
    service::transactions::{self, Incoming},
    web::{Answer, Failure, PathOf, Shared},
};

/// Takes envelopes; says of each whether it is taken.
pub(super) async fn take(
    State(app): State<Shared>,
    peer: PeerServer,
    PathOf(id): PathOf<String>,
    request: Request,
) -> Result<Answer<TransactionAnswer>, Failure> {
    let broken = |_| Error::new(Code::TooLarge, "the body is too large, or did not arrive whole");
    let body = Bytes::from_request(request, &app).await.map_err(broken)?;
    let incoming = Incoming { origin: &peer.origin, id: &id, body, digest: peer.digest };
    Ok(Answer::ok(transactions::take(&app, incoming).await?))
}
