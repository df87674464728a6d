//! Messages and statuses over REST, for clients without a WebSocket.

use axum::extract::State;
use missive_wire::{AcknowledgeMessages, AcknowledgeStatuses, Code, Data, ErrorBody, PendingMessages, PendingStatuses};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, Caller, Failure, JsonBody, MessagesRead, PathOf, QueryOf, Shared};
use crate::{
    error::Error,
    service::{access, messages, statuses},
};

/// The most messages or statuses that one request acknowledges.
const ACKNOWLEDGED_MAX: usize = 1_000;

/// How many to list.
#[derive(Deserialize, IntoParams)]
pub struct Page {
    /// 1 to 100; 100 if left out.
    limit: Option<i64>,
}

/// How many rows an acknowledgement settled; those it named twice, or that were settled before, do not count.
#[derive(Serialize, ToSchema)]
pub struct Settled {
    settled: u64,
}

/// The calling device's oldest unacknowledged messages. They stay until they are acknowledged.
#[utoipa::path(
    get, path = "/api/v1/users/{name}/messages", tag = "messages", params(("name" = String, Path), Page),
    security(("accessToken" = ["messages:read"])),
    responses((status = 200, body = Data<PendingMessages>), (status = 403, body = ErrorBody))
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller<MessagesRead>,
    PathOf(name): PathOf<String>,
    QueryOf(page): QueryOf<Page>,
) -> Result<Answer<PendingMessages>, Failure> {
    access::own_by_name(&app, &caller.access, &name).await?;
    Ok(Answer::ok(messages::list(&app, &caller.access, page.limit).await?))
}

/// Acknowledges messages as `received`: only now they are deleted, and their senders told.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}/messages", tag = "messages", params(("name" = String, Path)),
    security(("accessToken" = ["messages:read"])), request_body = AcknowledgeMessages,
    responses((status = 200, body = Data<Settled>), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub async fn acknowledge(
    State(app): State<Shared>,
    caller: Caller<MessagesRead>,
    PathOf(name): PathOf<String>,
    JsonBody(body): JsonBody<AcknowledgeMessages>,
) -> Result<Answer<Settled>, Failure> {
    access::own_by_name(&app, &caller.access, &name).await?;
    check_count(body.messages.len() + body.ids.len())?;
    let settled = messages::acknowledge(&app, &caller.access, body.messages, body.ids).await?;
    Ok(Answer::ok(Settled { settled }))
}

/// What became of messages that the calling device sent. They stay until they are acknowledged.
#[utoipa::path(
    get, path = "/api/v1/users/{name}/messages/status", tag = "messages", params(("name" = String, Path)),
    security(("accessToken" = ["messages:read"])),
    responses((status = 200, body = Data<PendingStatuses>), (status = 403, body = ErrorBody))
)]
pub async fn statuses(
    State(app): State<Shared>,
    caller: Caller<MessagesRead>,
    PathOf(name): PathOf<String>,
) -> Result<Answer<PendingStatuses>, Failure> {
    access::own_by_name(&app, &caller.access, &name).await?;
    Ok(Answer::ok(statuses::list(&app, &caller.access).await?))
}

/// Acknowledges status updates: the client has stored them.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}/messages/status", tag = "messages", params(("name" = String, Path)),
    security(("accessToken" = ["messages:read"])), request_body = AcknowledgeStatuses,
    responses((status = 200, body = Data<Settled>), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub async fn acknowledge_statuses(
    State(app): State<Shared>,
    caller: Caller<MessagesRead>,
    PathOf(name): PathOf<String>,
    JsonBody(body): JsonBody<AcknowledgeStatuses>,
) -> Result<Answer<Settled>, Failure> {
    access::own_by_name(&app, &caller.access, &name).await?;
    check_count(body.statuses.len() + body.ids.len())?;
    Ok(Answer::ok(Settled { settled: statuses::acknowledge(&app, &caller.access, body).await? }))
}

fn check_count(count: usize) -> Result<(), Failure> {
    match count {
        1..=ACKNOWLEDGED_MAX => Ok(()),
        0 => Err(Error::new(Code::Malformed, "name what you acknowledge, as `ids` or whole").into()),
        _ => {
            let message = format!("at most {ACKNOWLEDGED_MAX} in one request: send the rest in another");
            Err(Error::new(Code::Malformed, message).into())
        }
    }
}
