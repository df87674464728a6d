//! HTTP: parse, call, reply. The whole surface is the list in [`router`], grouped by who calls it.

mod access;
mod accounts;
mod answer;
mod extract;
mod health;
mod messages;
mod prekeys;
mod request_id;
mod sessions;
mod source;
mod tokens;

use std::sync::Arc;

use axum::{Json, Router, extract::DefaultBodyLimit, middleware, routing::get};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, ws};

pub use access::{Caller, bearer, KeysRead, KeysWrite, MessagesRead, ProfileRead, ProfileWrite};
pub use answer::{Answer, Failure};
pub use extract::{JsonBody, QueryOf};
pub use source::Source;

/// The largest request body: 200 Kyber keys of 1.6 KB and as many EC keys, in base64, with room.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// The application as handlers get it.
pub type Shared = Arc<App>;

#[derive(OpenApi)]
#[openapi(info(
    title = "Missive homeserver",
    description = "Accounts, key bundles and the hand-over of end-to-end encrypted messages.",
    license(name = "AGPL-3.0-only", identifier = "AGPL-3.0-only")
))]
struct Description;

/// Every route of a homeserver.
pub fn router(app: Shared) -> Router {
    let (api, description) = OpenApiRouter::with_openapi(Description::openapi())
        // Anyone
        .routes(routes!(accounts::create))
        .routes(routes!(tokens::create))
        // Holders of a refresh cookie
        .routes(routes!(tokens::refresh, tokens::delete))
        // Holders of an access token: their account
        .routes(routes!(accounts::search))
        .routes(routes!(accounts::show, accounts::change, accounts::delete))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::delete))
        // … keys
        .routes(routes!(prekeys::claim, prekeys::publish, prekeys::rotate))
        .routes(routes!(prekeys::count))
        .routes(routes!(prekeys::start_over))
        // … messages
        .routes(routes!(messages::list, messages::acknowledge))
        .routes(routes!(messages::statuses, messages::acknowledge_statuses))
        // Load balancers and admins
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .split_for_parts();
    let document = description.clone();
    api.merge(utoipa_swagger_ui::SwaggerUi::new("/api/docs").config(utoipa_swagger_ui::Config::from("/api/openapi.json")))
        .route("/api/openapi.json", get(move || async move { Json(document) }))
        .route("/.well-known/jwks.json", get(tokens::jwks))
        .route("/", get(ws::connect))
        .fallback(answer::no_route)
        .method_not_allowed_fallback(answer::no_method)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(answer::panicked))
        .layer(middleware::from_fn(answer::in_time))
        .layer(middleware::from_fn_with_state(app.clone(), source::limit))
        .layer(middleware::from_fn(request_id::assign))
        .with_state(app)
}
