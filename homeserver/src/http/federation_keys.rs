//! `/.well-known/missive/server` and `/federation/v1/keys`: where this server is, and what verifies what it says.

use axum::{
    Json,
    extract::State,
    http::header::{CACHE_CONTROL, HeaderName},
};
use missive_wire::{Data, ErrorBody, ServerDocument, ServerKeys};

use super::{Answer, Failure, Shared};
use crate::service::federation_keys;

/// Caches may keep it for a minute: less than a new key is published before it signs.
const CACHED: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "public, max-age=60")];

/// Where this server is, and its keys; not inside `data`.
#[utoipa::path(get, path = "/.well-known/missive/server", tag = "federation", responses(
    (status = 200, body = ServerDocument),
    (status = 404, body = ErrorBody, description = "This server does not federate")
))]
pub(super) async fn document(
    State(app): State<Shared>,
) -> Result<([(HeaderName, &'static str); 1], Json<ServerDocument>), Failure> {
    Ok((CACHED, Json(federation_keys::document(&app)?)))
}

/// The keys that verify what this server says, and the statements about them.
#[utoipa::path(get, path = "/federation/v1/keys", tag = "federation", responses(
    (status = 200, body = Data<ServerKeys>),
    (status = 404, body = ErrorBody, description = "This server does not federate")
))]
pub(super) async fn list(
    State(app): State<Shared>,
) -> Result<([(HeaderName, &'static str); 1], Answer<ServerKeys>), Failure> {
    Ok((CACHED, Answer::ok(federation_keys::published(&app)?)))
}
