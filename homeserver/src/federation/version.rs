//! Which versions of the protocol between homeservers are spoken here, and what is answered to others.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use missive_wire::{Code, FEDERATION_VERSION, ServerVersion};

use super::{PeerServer, refusal::Refusal};
use crate::{
    error::Error,
    web::{Answer, Failure, Shared},
};

/// The program, and the versions that it speaks.
pub(super) async fn show(_: PeerServer) -> Answer<ServerVersion> {
    let server = concat!("missive-homeserver/", env!("CARGO_PKG_VERSION")).to_owned();
    Answer::ok(ServerVersion { server, versions: vec![FEDERATION_VERSION.to_owned()] })
}

/// No such route in this version.
pub(super) async fn no_route(_: PeerServer) -> Failure {
    let text = "there is no such route between homeservers; one of them may have to be updated";
    Failure(Error::new(Code::NotFound, text))
}

/// The route has no such method.
pub(super) async fn no_method(_: PeerServer) -> Failure {
    Failure(Error::new(Code::MethodNotAllowed, "this route between homeservers does not have that method"))
}

/// A route of another version.
pub(super) async fn other(State(app): State<Shared>, uri: Uri) -> Response {
    let spoken = format!("/federation/v{FEDERATION_VERSION}/");
    let refusal = match app.config.federation.enabled {
        false => Refusal::disabled(),
        true if uri.path().starts_with(&spoken) => {
            Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such route between homeservers")
        }
        true => {
            let text = format!(
                "this homeserver speaks version {FEDERATION_VERSION} of the protocol between homeservers, whose routes \
                 begin with {spoken}: one of the two must be updated"
            );
            Refusal::new(StatusCode::NOT_FOUND, "version", text)
        }
    };
    refusal.into_response()
}
