//! `/api/v1/users`: registration, the directory, the own account.

use axum::{extract::State, response::IntoResponse};
use missive_wire::{Account, AccountChange, CreateAccount, Data, DeleteAccount, ErrorBody, FoundAccounts, LoggedIn};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Answer, Caller, Failure, JsonBody, PathOf, ProfileRead, ProfileWrite, QueryOf, Shared, Source,
    tokens::{Cookie, logged_in},
};
use crate::service::accounts;

/// What to search for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// The beginning of a name, or an exact `name@server`.
    search: String,
    /// The last name of the page before.
    after: Option<String>,
}

/// Nothing to tell.
#[derive(Serialize, ToSchema)]
pub(crate) struct Nothing {}

/// Register an account. Its device 1 is logged in at once; the refresh token comes as a cookie.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "accounts", security(()), request_body = CreateAccount,
    responses(
        (status = 201, body = Data<LoggedIn>, headers(("set-cookie", description = "refreshToken=…"))),
        (status = 400, body = ErrorBody, description = "The name or another member is not well-formed"),
        (status = 403, body = ErrorBody, description = "Registration is closed, or by invitation"),
        (status = 409, body = ErrorBody, description = "The name is taken, or was once"),
        (status = 422, body = ErrorBody, description = "The password is weak, or the identity key is none"),
        (status = 429, body = ErrorBody)
    )
)]
pub(super) async fn create(
    State(app): State<Shared>,
    source: Source,
    cookie: Cookie,
    JsonBody(body): JsonBody<CreateAccount>,
) -> Result<impl IntoResponse, Failure> {
    let issued = accounts::register(&app, source.0, body).await?;
    Ok(logged_in(&cookie, issued, Answer::created))
}

/// Search the directory as one types. Never finds the caller.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "accounts", params(Search), security(("accessToken" = ["profile:read"])),
    responses((status = 200, body = Data<FoundAccounts>), (status = 429, body = ErrorBody))
)]
pub(super) async fn search(
    State(app): State<Shared>,
    caller: Caller<ProfileRead>,
    QueryOf(query): QueryOf<Search>,
) -> Result<Answer<FoundAccounts>, Failure> {
    Ok(Answer::ok(accounts::search(&app, &caller.access, &query.search, query.after.as_deref()).await?))
}

/// The own account.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "accounts", params(("id" = String, Path, description = "The own id")),
    security(("accessToken" = ["profile:read"])),
    responses((status = 200, body = Data<Account>), (status = 403, body = ErrorBody, description = "Another's account"))
)]
pub(super) async fn show(
    State(app): State<Shared>,
    caller: Caller<ProfileRead>,
    PathOf(id): PathOf<String>,
) -> Result<Answer<Account>, Failure> {
    Ok(Answer::ok(accounts::show(&app, &caller.access, &id).await?))
}

/// Change the password (which ends every other session), or the push registration.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "accounts", params(("id" = String, Path, description = "The own id")),
    security(("accessToken" = ["profile:write"])), request_body = AccountChange,
    responses(
        (status = 200, body = Data<Account>),
        (status = 401, body = ErrorBody, description = "The current password is wrong"),
        (status = 403, body = ErrorBody, description = "Another's account"),
        (status = 422, body = ErrorBody, description = "The new password is weak"),
        (status = 429, body = ErrorBody, description = "Too many wrong passwords")
    )
)]
pub(super) async fn change(
    State(app): State<Shared>,
    caller: Caller<ProfileWrite>,
    source: Source,
    PathOf(id): PathOf<String>,
    JsonBody(body): JsonBody<AccountChange>,
) -> Result<Answer<Account>, Failure> {
    Ok(Answer::ok(accounts::change(&app, &caller.access, source.0, &id, body).await?))
}

/// Delete the own account and everything of it. Its name is never given out again.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "accounts", params(("id" = String, Path, description = "The own id")),
    security(("accessToken" = ["profile:write"])), request_body = DeleteAccount,
    responses(
        (status = 200, body = Data<Nothing>),
        (status = 401, body = ErrorBody, description = "The password is wrong"),
        (status = 403, body = ErrorBody, description = "Another's account"),
        (status = 429, body = ErrorBody, description = "Too many wrong passwords")
    )
)]
pub(super) async fn delete(
    State(app): State<Shared>,
    caller: Caller<ProfileWrite>,
    source: Source,
    PathOf(id): PathOf<String>,
    JsonBody(body): JsonBody<DeleteAccount>,
) -> Result<Answer<Nothing>, Failure> {
    accounts::delete(&app, &caller.access, source.0, &id, body).await?;
    Ok(Answer::ok(Nothing {}))
}
