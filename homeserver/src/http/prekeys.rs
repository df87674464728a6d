//! `/api/v1/users/{name}/keys` and `/identity`: publish, rotate, claim and count public keys; start over.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use missive_wire::{ClaimedBundle, Code, Data, ErrorBody, KeyCount, KeyUpload, SignedKeyRotation, StartOver};

use super::{Answer, Caller, Failure, KeysRead, KeysWrite, PathOf, Shared, Source};
use crate::{error::Error, service::prekeys};

/// A body as it came: a repeated upload is told by its bytes.
type Body = Result<Bytes, BytesRejection>;

/// Claim a bundle of every device of an account: each one-time key is given out once, ever.
#[utoipa::path(get, path = "/api/v1/users/{name}/keys", tag = "keys",
    security(("accessToken" = ["keys:read"])), params(("name" = String, description = "A name or an address")),
    responses(
        (status = 200, body = Data<ClaimedBundle>),
        (status = 404, body = ErrorBody, description = "No such account, it has published no keys, or its homeserver cannot be reached"),
        (status = 422, body = ErrorBody, description = "The account's homeserver gave keys that cannot be used, or refused"),
        (status = 410, body = ErrorBody, description = "The account is revoked"),
        (status = 429, body = ErrorBody)
    ))]
pub(super) async fn claim(
    State(app): State<Shared>,
    caller: Caller<KeysRead>,
    PathOf(name): PathOf<String>,
) -> Result<Answer<ClaimedBundle>, Failure> {
    Ok(Answer::ok(prekeys::claim(&app, &caller.access, &name).await?))
}

/// Publish keys of the calling device, all or nothing; the same body again is no error.
#[utoipa::path(post, path = "/api/v1/users/{name}/keys", tag = "keys",
    security(("accessToken" = ["keys:write"])), request_body = KeyUpload,
    params(("name" = String, description = "The own name")),
    responses(
        (status = 200, body = Data<KeyCount>),
        (status = 409, body = ErrorBody, description = "A key id comes again, or the identity is another"),
        (status = 422, body = ErrorBody, description = "A key or signature is not good, or too many keys")
    ))]
pub(super) async fn publish(
    State(app): State<Shared>,
    caller: Caller<KeysWrite>,
    PathOf(name): PathOf<String>,
    body: Body,
) -> Result<Answer<KeyCount>, Failure> {
    Ok(Answer::ok(prekeys::publish(&app, &caller.access, &name, &whole(body)?).await?))
}

/// Replace lasting keys of the calling device; the same body again is no error.
#[utoipa::path(patch, path = "/api/v1/users/{name}/keys", tag = "keys",
    security(("accessToken" = ["keys:write"])), request_body = SignedKeyRotation,
    params(("name" = String, description = "The own name")),
    responses(
        (status = 200, body = Data<KeyCount>),
        (status = 404, body = ErrorBody, description = "Nothing to rotate: this device has published no keys"),
        (status = 409, body = ErrorBody, description = "A key id comes again"),
        (status = 422, body = ErrorBody, description = "A key or signature is not good")
    ))]
pub(super) async fn rotate(
    State(app): State<Shared>,
    caller: Caller<KeysWrite>,
    PathOf(name): PathOf<String>,
    body: Body,
) -> Result<Answer<KeyCount>, Failure> {
    Ok(Answer::ok(prekeys::rotate(&app, &caller.access, &name, &whole(body)?).await?))
}

/// How many one-time keys the calling device has left, and a digest of what it has published.
#[utoipa::path(get, path = "/api/v1/users/{name}/keys/count", tag = "keys",
    security(("accessToken" = ["keys:read"])), params(("name" = String, description = "The own name")),
    responses((status = 200, body = Data<KeyCount>)))]
pub(super) async fn count(
    State(app): State<Shared>,
    caller: Caller<KeysRead>,
    PathOf(name): PathOf<String>,
) -> Result<Answer<KeyCount>, Failure> {
    Ok(Answer::ok(prekeys::count(&app, &caller.access, &name).await?))
}

/// Start over with a new identity key: every other device, session, key and pending message of the account goes.
#[utoipa::path(post, path = "/api/v1/users/{name}/identity", tag = "keys",
    security(("accessToken" = ["keys:write"])), request_body = StartOver,
    params(("name" = String, description = "The own name")),
    responses(
        (status = 200, body = Data<KeyCount>),
        (status = 401, body = ErrorBody, description = "Wrong password"),
        (status = 422, body = ErrorBody, description = "A key or signature is not good, or the identity key is the old one"),
        (status = 429, body = ErrorBody, description = "Too many wrong passwords")
    ))]
pub(super) async fn start_over(
    State(app): State<Shared>,
    caller: Caller<KeysWrite>,
    source: Source,
    PathOf(name): PathOf<String>,
    body: Body,
) -> Result<Answer<KeyCount>, Failure> {
    Ok(Answer::ok(prekeys::start_over(&app, &caller.access, source.0, &name, &whole(body)?).await?))
}

fn whole(body: Body) -> Result<Bytes, Failure> {
    body.map_err(|_| Failure(Error::new(Code::TooLarge, "the body is too large, or did not arrive whole")))
}
