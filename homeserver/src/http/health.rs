//! `/health/*`: whether the process runs, and whether it can serve.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Shared};
use crate::service::health;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub struct Live {
    /// Always `ok`.
    status: &'static str,
    /// The version of the program.
    version: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", responses((status = 200, body = Live)))]
pub async fn live() -> Answer<Live> {
    Answer::ok(Live { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// It can serve: the database answers, its tables are up to date, there is room on the disk, control events are heard.
#[utoipa::path(get, path = "/health/ready", responses(
    (status = 200, body = health::Readiness),
    (status = 503, body = health::Readiness, description = "What is not ok says why")
))]
pub async fn ready(State(app): State<Shared>) -> Answer<health::Readiness> {
    let readiness = health::readiness(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer(status, readiness)
}
