//! Bodies and queries, refused in our own words.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::request::Parts,
};
use missive_wire::Code;
use serde::de::DeserializeOwned;

use super::{Failure, Shared};
use crate::error::Error;

/// A JSON body.
pub struct JsonBody<T>(pub T);

/// The path's parts.
pub struct PathOf<T>(pub T);

/// The query string.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Failure> {
        Json::from_request(request, app).await.map(|Json(body)| Self(body)).map_err(|rejection| match rejection {
            JsonRejection::BytesRejection(_) => {
                Failure(Error::new(Code::TooLarge, "the body is too large, or did not arrive whole"))
            }
            other => {
                Failure(Error::new(Code::Malformed, format!("the body is not as expected: {}", other.body_text())))
            }
        })
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for PathOf<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Failure> {
        Path::from_request_parts(parts, app).await.map(|Path(path)| Self(path)).map_err(|rejection| {
            Failure(Error::new(Code::Malformed, format!("the path is not as expected: {}", rejection.body_text())))
        })
    }
}

impl<T: DeserializeOwned> FromRequestParts<Shared> for QueryOf<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Failure> {
        Query::from_request_parts(parts, app).await.map(|Query(query)| Self(query)).map_err(|rejection| {
            Failure(Error::new(Code::Malformed, format!("the query is not as expected: {}", rejection.body_text())))
        })
    }
}
