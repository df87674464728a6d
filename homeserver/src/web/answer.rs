//! The JSON envelope, and the one place that knows status codes.

use std::{any::Any, time::Duration};

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    middleware::Next,
    response::{IntoResponse, Response},
};
use missive_wire::{Code, Data};
use serde::Serialize;

use crate::error::{Error, StoreError};

/// A successful answer, `{"data": …}`.
pub struct Answer<T>(pub StatusCode, pub T);

/// A failed answer.
#[derive(Debug)]
pub struct Failure(pub Error);

impl<T> Answer<T> {
    /// 200.
    pub fn ok(data: T) -> Self {
        Self(StatusCode::OK, data)
    }

    /// 201.
    pub fn created(data: T) -> Self {
        Self(StatusCode::CREATED, data)
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        (self.0, Json(Data { data: self.1 })).into_response()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        if let Some(source) = &error.source {
            tracing::error!(error = format!("{source:#}"), code = error.code.as_str(), "a request failed");
        }
        let mut response = (status(error.code), Json(error.body())).into_response();
        if let Some(seconds) = error.details.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Which status a code is answered with.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::Malformed => StatusCode::BAD_REQUEST,
        Code::Unauthorized | Code::WrongCredentials | Code::TokenExpired | Code::SessionEnded => {
            StatusCode::UNAUTHORIZED
        }
        Code::MissingScope
        | Code::NotOwner
        | Code::AccountRevoked
        | Code::RegistrationClosed
        | Code::InviteRequired
        | Code::DirectoryClosed => StatusCode::FORBIDDEN,
        Code::NotFound | Code::UnknownServer | Code::NoKeys => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::NameTaken
        | Code::KeyIdReused
        | Code::IdentityChanged
        | Code::DeviceMismatch
        | Code::TransactionReused => StatusCode::CONFLICT,
        Code::ReceiverGone | Code::Expired => StatusCode::GONE,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::WeakPassword
        | Code::InvalidKey
        | Code::InvalidSignature
        | Code::PrivateKey
        | Code::TooManyKeys
        | Code::Undecryptable
        | Code::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Code::QuotaExceeded | Code::RateLimited | Code::LockedOut => StatusCode::TOO_MANY_REQUESTS,
        Code::AfterFailed | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// No such route.
pub async fn no_route() -> Failure {
    Failure(Error::new(Code::NotFound, "there is no such route; /api/docs lists them"))
}

/// The route has no such method.
pub async fn no_method() -> Failure {
    Failure(Error::new(Code::MethodNotAllowed, "this route does not have that method; /api/docs lists them"))
}

/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives up a request that takes too long: a body that trickles in, or a database that hangs.
pub async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| {
        let message = "the request took too long; try again in a moment";
        Failure(Error::temporary(Code::Unavailable, message, 5)).into_response()
    })
}

/// A handler panicked: a bug of ours, answered like any other failure of ours.
#[expect(clippy::needless_pass_by_value, reason = "tower-http calls it so")]
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Failure(Error::internal(anyhow::anyhow!("a handler panicked: {text}"))).into_response()
}
