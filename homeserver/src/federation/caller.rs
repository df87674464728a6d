//! Who asks, and what: extractors of the handlers behind the gate.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use missive_wire::{Code, ServerName};
use serde::de::DeserializeOwned;

use crate::{
    error::Error,
    peers::json,
    web::{Failure, Shared},
};

/// The homeserver that signed the request. A handler that takes it runs only for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerServer {
    /// Its name.
    pub origin: ServerName,
    /// The SHA-256 of the body, which it signed too.
    pub digest: [u8; 32],
}

/// A peer's JSON, not nested deeper than the protocol's is. No body at all counts as `{}`.
pub struct PeerJson<T>(pub T);

impl FromRequestParts<Shared> for PeerServer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Failure> {
        let outside = || Error::internal(anyhow::anyhow!("a route for other homeservers is not behind the gate"));
        parts.extensions.get::<Self>().cloned().ok_or_else(|| outside().into())
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for PeerJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Failure> {
        let broken = |_| Error::new(Code::TooLarge, "the body is too large, or did not arrive whole");
        let body = Bytes::from_request(request, app).await.map_err(broken)?;
        let text = if body.is_empty() { b"{}" } else { body.as_ref() };
        let malformed = |error| Error::new(Code::Malformed, format!("the body is not as expected: {error}"));
        Ok(Self(json::read(text).map_err(malformed)?))
    }
}
