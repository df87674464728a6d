//! The WebSocket: `GET /`, upgraded. One task owns one socket.

mod connection;
mod dispatch;
mod told;
mod writer;

use axum::{
    extract::{FromRequestParts as _, Request, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, header::SEC_WEBSOCKET_PROTOCOL, request::Parts},
    response::{IntoResponse as _, Response},
};
use missive_wire::{Code, FRAME_MAX_BYTES, Scope};

use crate::{
    error::Error,
    service::{access, delivery::Way},
    web::{Failure, Shared, bearer},
};

/// The subprotocol that browsers name, who cannot set `Authorization`: they offer it and `bearer.<token>`.
const SUBPROTOCOL: &str = "missive.v1";

/// Bytes of each socket's read buffer; the library's default of 128 KiB would be paid by every idle connection.
const READ_BUFFER: usize = 4 * 1024;

/// Bytes that are gathered before they are written; the buffer takes no memory until it is used.
const WRITE_BUFFER: usize = 16 * 1024;

/// Opens the socket of the device whose access token is shown. Scope: `messages:read`; `messages:write` to send.
pub async fn connect(State(app): State<Shared>, request: Request) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let upgrade =
        WebSocketUpgrade::from_request_parts(&mut parts, &app).await.map_err(|rejection| refused(&rejection))?;
    let access = access::authenticate(&app, token(&parts)?)?;
    access::require(&access, Scope::MessagesRead)?;
    let own = access::own(&app, &access).await?;
    let own = Way::to(access.device_key(), app.address(&own.name));
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_frame_size(FRAME_MAX_BYTES)
        .max_message_size(FRAME_MAX_BYTES)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(4 * FRAME_MAX_BYTES);
    let tasks = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| tasks.track_future(connection::run(app, access, own, socket))).into_response())
}

/// The token of the header, or of the subprotocols.
fn token(parts: &Parts) -> Result<&str, Failure> {
    match offered_token(&parts.headers) {
        Some(token) => Ok(token),
        None => bearer(parts),
    }
}

fn offered_token(headers: &HeaderMap) -> Option<&str> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let mut offers = offers.flat_map(|value| value.split(',')).map(str::trim);
    offers.find_map(|offer| offer.strip_prefix("bearer."))
}

fn refused(rejection: &WebSocketUpgradeRejection) -> Failure {
    let message = format!("this address speaks WebSocket (RFC 6455); clients connect to it: {rejection}");
    Error::new(Code::Malformed, message).into()
}
