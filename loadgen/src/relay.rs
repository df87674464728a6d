//! The ceiling: a bare relay on axum's WebSocket, which passes each frame of one side of a pair to the other: the
//! messages, and the acknowledgements that come back. It reads no frame and checks, keeps and promises nothing.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::HeaderMap,
    response::Response,
    routing::get,
    serve::ListenerExt as _,
};
use futures_util::SinkExt as _;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Greets as a homeserver does, so that the same client can speak to it.
const HELLO: &str = r#"{"hello":{"incarnation":"00000000-0000-7000-8000-000000000000","device":1,"pending":0}}"#;
const DRAINED: &str = r#"{"drained":true}"#;

/// The same as the homeserver's.
const READ_BUFFER: usize = 4 * 1024;

type Sides = Arc<Mutex<HashMap<String, UnboundedSender<Message>>>>;

/// The token with which a side of a pair connects.
pub fn token(pair: u16, sends: bool) -> String {
    format!("{pair}-{}", if sends { "s" } else { "r" })
}

/// Serves until the process ends.
pub async fn serve(listen: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    let routes = Router::new().route("/", get(connect)).route("/health/live", get(async || "live"));
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes.with_state(Sides::default())).await.context("serving")
}

async fn connect(State(sides): State<Sides>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let own = token.trim_start_matches("Bearer ").to_owned();
    upgrade.read_buffer_size(READ_BUFFER).on_upgrade(async move |socket| {
        // The other side has gone, or the socket has: either way the pair is over.
        let _ = run(&sides, &own, socket).await;
    })
}

/// The other side of a pair.
fn other(own: &str) -> String {
    match own.strip_suffix("-s") {
        Some(pair) => format!("{pair}-r"),
        None => own.replace("-r", "-s"),
    }
}

fn lookup(sides: &Sides, name: &str) -> Option<UnboundedSender<Message>> {
    sides.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
}

async fn run(sides: &Sides, own: &str, mut socket: WebSocket) -> Result<()> {
    let (sender, mut frames) = unbounded_channel();
    sides.lock().unwrap_or_else(PoisonError::into_inner).insert(own.to_owned(), sender);
    socket.send(Message::text(HELLO)).await?;
    socket.send(Message::text(DRAINED)).await?;
    let mut partner = None;
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(frame @ Message::Text(_))) => {
                    if partner.is_none() {
                        partner = lookup(sides, &other(own));
                    }
                    partner.as_ref().context("no partner")?.send(frame)?;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Ok(()),
            },
            Some(frame) = frames.recv() => write(&mut socket, frame, &mut frames).await?,
        }
    }
}

/// Writes a frame and whatever else waits, then flushes once.
async fn write(socket: &mut WebSocket, first: Message, frames: &mut UnboundedReceiver<Message>) -> Result<()> {
    let mut next = Some(first);
    while let Some(frame) = next {
        socket.feed(frame).await?;
        next = frames.try_recv().ok();
    }
    Ok(socket.flush().await?)
}
