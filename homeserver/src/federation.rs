//! What other homeservers ask of this one. A handler that takes a [`PeerServer`] runs only for a server whose signature
//! was verified, and every answer to such a server is signed.

mod body;
mod caller;
mod gate;
mod places;
mod presence;
mod refusal;
mod seal;
mod transactions;
mod users;
mod version;

use axum::{
    Router, middleware,
    routing::{any, get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

pub use caller::{PeerJson, PeerServer};

use self::gate::Gate;
use crate::web::{Shared, answer};

/// Every route that a server must sign for, behind the gate that sees to it. Unlike the routes of clients they have no
/// limit by source: a peer may be busy, and has limits of its own.
pub fn router(app: &Shared) -> Router<Shared> {
    let gate = Gate::new(app.clone());
    Router::new()
        .route("/federation/v1/version", get(version::show))
        .route("/federation/v1/ping", post(presence::ping))
        .route("/federation/v1/wake", post(presence::wake))
        .route("/federation/v1/transactions/{id}", post(transactions::take))
        .route("/federation/v1/users", get(users::list))
        .route("/federation/v1/users/{name}", get(users::show))
        .route("/federation/v1/users/{name}/claim", post(users::claim))
        .route("/federation/v1/{*rest}", any(version::no_route))
        .method_not_allowed_fallback(version::no_method)
        // Within the gate, which signs these answers too.
        .layer(CatchPanicLayer::custom(answer::panicked))
        .layer(middleware::from_fn_with_state(gate, gate::pass))
        // Unsigned: who speaks another version may sign otherwise.
        .route("/federation/{*rest}", any(version::other))
        .layer(middleware::from_fn(answer::in_time))
}
