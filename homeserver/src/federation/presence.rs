//! `ping`, with which an admin tests the way between two servers, and `wake`, with which one says that it is back.

use axum::extract::State;
use missive_wire::{ServerName, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PeerJson, PeerServer};
use crate::{
    service::federation,
    web::{Answer, Shared},
};

/// What `ping` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pong {
    /// Who asked.
    origin: ServerName,
    /// Who answers.
    server_name: ServerName,
    /// By the clock of who answers: both must be right within a minute.
    now: Timestamp,
}

/// An object without members that mean anything.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Nothing {}

/// Says who was understood to ask.
pub(super) async fn ping(State(app): State<Shared>, peer: PeerServer, PeerJson(_): PeerJson<Nothing>) -> Answer<Pong> {
    Answer::ok(Pong { origin: peer.origin, server_name: app.server_name.clone(), now: app.clock.now() })
}

/// The peer can be reached again.
pub(super) async fn wake(
    State(app): State<Shared>,
    peer: PeerServer,
    PeerJson(_): PeerJson<Nothing>,
) -> Answer<Nothing> {
    federation::wake(&app, &peer.origin);
    Answer::ok(Nothing {})
}
