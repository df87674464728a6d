//! HTTP: parse, call, reply. The whole surface is the list in [`router`], grouped by who calls it.

mod accounts;
mod federation_keys;
mod health;
mod messages;
mod prekeys;
mod sessions;
mod tokens;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{MethodRouter, get},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::web::{
    Answer, Caller, Failure, JsonBody, KeysRead, KeysWrite, MessagesRead, PathOf, ProfileRead, ProfileWrite, QueryOf,
    Shared, Source, answer, request_id, source,
};

/// The largest request body: 200 Kyber keys of 1.6 KB and as many EC keys, in base64, with room.
const BODY_MAX_BYTES: usize = 1024 * 1024;

#[derive(OpenApi)]
#[openapi(info(
    title = "Missive homeserver",
    description = "Accounts, key bundles and the hand-over of end-to-end encrypted messages.",
    license(name = "AGPL-3.0-only", identifier = "AGPL-3.0-only")
), modifiers(&Credentials))]
struct Description;

/// How callers show who they are.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let cookie = ApiKeyValue::with_description("refreshToken", "Set by registration, log-in and refresh.");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("accessToken", SecurityScheme::Http(bearer));
        components.add_security_scheme("refreshToken", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// Every route of a homeserver; `socket` is what the WebSocket's does, `peers` are those that other homeservers sign for.
pub fn router(app: Shared, socket: MethodRouter<Shared>, peers: Router<Shared>) -> Router {
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
        // Other homeservers, of this one
        .routes(routes!(federation_keys::document))
        .routes(routes!(federation_keys::list))
        // Load balancers and admins
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .split_for_parts();
    let document = description.clone();
    api.merge(
        utoipa_swagger_ui::SwaggerUi::new("/api/docs").config(utoipa_swagger_ui::Config::from("/api/openapi.json")),
    )
    .route("/api/openapi.json", get(move || async move { Json(document) }))
    .route("/.well-known/jwks.json", get(tokens::jwks))
    .route("/", socket)
    .fallback(answer::no_route)
    .method_not_allowed_fallback(answer::no_method)
    .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
    .layer(tower_http::catch_panic::CatchPanicLayer::custom(answer::panicked))
    .layer(middleware::from_fn(answer::in_time))
    .layer(middleware::from_fn_with_state(app.clone(), source::limit))
    .merge(peers)
    .layer(middleware::from_fn(request_id::assign))
    .with_state(app)
}
