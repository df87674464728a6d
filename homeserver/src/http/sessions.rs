//! `/api/v1/users/{id}/sessions`: where the own account is logged in.

use axum::extract::State;
use missive_wire::{Data, ErrorBody, Sessions};

use super::{Answer, Caller, Failure, PathOf, ProfileRead, ProfileWrite, Shared, accounts::Nothing};
use crate::service::sessions;

/// The sessions of the own account that can still refresh their tokens.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/sessions", tag = "sessions",
    params(("id" = String, Path, description = "The own id")), security(("accessToken" = ["profile:read"])),
    responses((status = 200, body = Data<Sessions>), (status = 403, body = ErrorBody, description = "Another's account"))
)]
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Caller<ProfileRead>,
    PathOf(id): PathOf<String>,
) -> Result<Answer<Sessions>, Failure> {
    Ok(Answer::ok(sessions::list(&app, &caller.access, &id).await?))
}

/// End a session of the own account, also the one that asks: its socket closes, its tokens count no more.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/sessions/{sid}", tag = "sessions",
    params(("id" = String, Path, description = "The own id"), ("sid" = String, Path, description = "The session's id")),
    security(("accessToken" = ["profile:write"])),
    responses(
        (status = 200, body = Data<Nothing>),
        (status = 403, body = ErrorBody, description = "Another's account"),
        (status = 404, body = ErrorBody, description = "No such session")
    )
)]
pub(super) async fn delete(
    State(app): State<Shared>,
    caller: Caller<ProfileWrite>,
    PathOf((id, sid)): PathOf<(String, String)>,
) -> Result<Answer<Nothing>, Failure> {
    sessions::end(&app, &caller.access, &id, &sid).await?;
    Ok(Answer::ok(Nothing {}))
}
