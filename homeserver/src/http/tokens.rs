//! `/api/v1/tokens`: log in, refresh, log out; and the public keys of access tokens.

mod cookie;

use axum::{
    Json,
    extract::State,
    http::header::{CACHE_CONTROL, SET_COOKIE},
    response::{AppendHeaders, IntoResponse},
};
use missive_wire::{CreateToken, Data, ErrorBody, LoggedIn};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, Failure, JsonBody, QueryOf, Shared, Source, accounts::Nothing};
use crate::service::tokens::{self, Issued};

pub(super) use cookie::Cookie;

/// Which sessions to end.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogOut {
    /// Every session of the account; only the cookie's if left out.
    #[serde(default)]
    #[param(required = false)]
    all: bool,
}

/// Log in. The refresh token comes as a cookie.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", security(()), request_body = CreateToken,
    responses(
        (status = 201, body = Data<LoggedIn>, headers(("set-cookie", description = "refreshToken=…"))),
        (status = 401, body = ErrorBody, description = "The name or the password is wrong"),
        (status = 403, body = ErrorBody, description = "The account is revoked"),
        (status = 404, body = ErrorBody, description = "The account has no such device"),
        (status = 429, body = ErrorBody, description = "Too many log-ins, or too many wrong passwords")
    )
)]
pub(super) async fn create(
    State(app): State<Shared>,
    source: Source,
    cookie: Cookie,
    JsonBody(body): JsonBody<CreateToken>,
) -> Result<impl IntoResponse, Failure> {
    let issued = tokens::create(&app, source.0, body).await?;
    Ok(logged_in(&cookie, issued, Answer::created))
}

/// Refresh: a new access token, and a new refresh cookie in place of the one that is spent by this.
#[utoipa::path(
    put, path = "/api/v1/tokens", tag = "tokens", security(("refreshToken" = [])),
    responses(
        (status = 200, body = Data<LoggedIn>, headers(("set-cookie", description = "refreshToken=…"))),
        (status = 401, body = ErrorBody, description = "No valid cookie, or its session has ended"),
        (status = 403, body = ErrorBody, description = "The account is revoked"),
        (status = 429, body = ErrorBody, description = "Too many tokens that were spent long ago")
    )
)]
pub(super) async fn refresh(State(app): State<Shared>, cookie: Cookie) -> Result<impl IntoResponse, Failure> {
    let issued = tokens::refresh(&app, cookie.token()?).await?;
    Ok(logged_in(&cookie, issued, Answer::ok))
}

/// Log out: the session of the cookie ends, or every session of its account.
#[utoipa::path(
    delete, path = "/api/v1/tokens", tag = "tokens", params(LogOut), security(("refreshToken" = [])),
    responses(
        (status = 200, body = Data<Nothing>),
        (status = 401, body = ErrorBody, description = "No valid cookie, or its session has ended already"),
        (status = 429, body = ErrorBody, description = "Too many tokens that were spent long ago")
    )
)]
pub(super) async fn delete(
    State(app): State<Shared>,
    cookie: Cookie,
    QueryOf(query): QueryOf<LogOut>,
) -> Result<impl IntoResponse, Failure> {
    tokens::log_out(&app, cookie.token()?, query.all).await?;
    Ok((AppendHeaders([(SET_COOKIE, cookie.removed())]), Answer::ok(Nothing {})))
}

/// The public keys that verify access tokens, as a JSON Web Key Set (RFC 7517).
pub(super) async fn jwks(State(app): State<Shared>) -> impl IntoResponse {
    Json(app.tokens.jwks())
}

/// The answer to a log-in or refresh; nobody on the way may keep it.
pub(super) fn logged_in(
    cookie: &Cookie,
    issued: Issued,
    answer: fn(LoggedIn) -> Answer<LoggedIn>,
) -> impl IntoResponse + use<> {
    let headers = [(SET_COOKIE, cookie.holding(&issued.refresh_token)), (CACHE_CONTROL, "no-store".to_owned())];
    (AppendHeaders(headers), answer(issued.logged_in))
}
