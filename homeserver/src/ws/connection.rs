//! One connected device: reads its frames, writes what its mailbox says and what became of its messages.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::FutureExt as _;
use missive_wire::Code;
use tokio::{
    pin,
    time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at},
};

use super::{
    dispatch::Dispatcher,
    writer::{Writer, Written},
};
use crate::{
    app::App,
    hub::{Frames, Input, Link, WINDOW},
    model::Access,
    service::{access, delivery::Way},
};

/// The server pings as often …
const PING: Duration = Duration::from_secs(30);
/// … and drops a peer that has been silent for so long.
const SILENCE: Duration = Duration::from_secs(90);
/// How long a closing socket waits for what became of its messages, and for the peer to take it.
const FAREWELL: Duration = Duration::from_secs(5);
/// The most frames that are read before what waits is written.
const READS: usize = 64;

/// Close codes (`docs/protocol.md`).
mod code {
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const UNSUPPORTED: u16 = 1003;
    pub(super) const INVALID: u16 = 1007;
    pub(super) const POLICY: u16 = 1008;
    pub(super) const TOO_LARGE: u16 = 1009;
    pub(super) const ENDED: u16 = 4401;
    pub(super) const FLOODING: u16 = 4429;
}

static NEXT_LINK: AtomicU64 = AtomicU64::new(1);

/// Why a connection ends.
enum End {
    /// We close it.
    Close(u16, &'static str),
    /// It is gone.
    Gone,
}

const GOING_AWAY: End = End::Close(code::GOING_AWAY, "the server is going away; reconnect");
const ENDED: End = End::Close(code::ENDED, "the session has ended");
const FLOODING: End = End::Close(code::FLOODING, "too many frames; slow down and reconnect");

struct Connection {
    app: Arc<App>,
    access: Access,
    socket: WebSocket,
    frames: Frames,
    writer: Writer,
    dispatcher: Dispatcher,
    /// Frames of the client that it has not been answered yet.
    unanswered: usize,
    heard: Instant,
}

/// Runs a connection until either side ends it. `own` is the way to its device's mailbox.
pub(super) async fn run(app: Arc<App>, access: Access, mut own: Way, socket: WebSocket) {
    let frames = Frames::default();
    let id = NEXT_LINK.fetch_add(1, Ordering::Relaxed);
    let link = Link { id, session: access.session, frames: frames.clone() };
    own.give(&app, [Input::Connect(link)]).await;
    metrics::gauge!("connections").increment(1);
    let mut connection = Connection {
        writer: Writer::new(app.clone(), frames.clone(), access.device),
        dispatcher: Dispatcher::new(app.clone(), access.clone(), frames.clone(), own),
        unanswered: 0,
        heard: Instant::now(),
        app,
        access,
        socket,
        frames,
    };
    // A session that ended between the token's check and the link's registration is seen here; later, by the mailbox.
    let end = match access::check_alive(&connection.app, &connection.access) {
        Ok(()) => connection.serve().await,
        Err(error) if error.code == Code::Unavailable => GOING_AWAY,
        Err(_) => ENDED,
    };
    connection.finish(end).await;
    connection.frames.end();
    metrics::gauge!("connections").decrement(1);
    connection.dispatcher.disconnect(id).await;
}

impl Connection {
    async fn serve(&mut self) -> End {
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.app.shutdown.clone();
        let stopping = shutdown.cancelled();
        pin!(stopping);
        loop {
            let end = tokio::select! {
                () = &mut stopping => Some(GOING_AWAY),
                () = self.writer.ready() => self.write().await.err(),
                received = self.socket.recv(), if self.unanswered < WINDOW => self.receive(received).await.err(),
                _ = pings.tick() => self.ping().await.err(),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Takes a frame and whatever has arrived with it, so that the answers are written together.
    async fn receive(&mut self, first: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        self.received(first).await?;
        for _ in 1..READS {
            if self.unanswered >= WINDOW || self.frames.is_let_go() {
                break;
            }
            let Some(next) = self.socket.recv().now_or_never() else { break };
            self.received(next).await?;
        }
        Ok(())
    }

    async fn received(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match received {
            Some(Ok(Message::Text(text))) => {
                if !self.dispatcher.allow() {
                    return Err(FLOODING);
                }
                self.unanswered += usize::from(self.dispatcher.take(&text.into()).await);
                Ok(())
            }
            Some(Ok(Message::Binary(_))) => Err(End::Close(code::UNSUPPORTED, "frames are text")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) if self.dispatcher.allow() => Ok(()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Err(FLOODING),
            Some(Ok(Message::Close(_))) => {
                // The library has the answer to it ready.
                let flushed = self.writer.flush(&mut self.socket).await;
                self.written(flushed)?;
                Err(End::Gone)
            }
            None => Err(End::Gone),
            Some(Err(error)) => Err(unreadable(error)),
        }
    }

    /// Writes whatever waits, and flushes once.
    async fn write(&mut self) -> Result<(), End> {
        let batch = self.writer.take();
        self.unanswered -= batch.answered;
        let written = self.writer.write(&mut self.socket, batch.texts).await;
        if let (Written::Done | Written::LetGo, Some((code, reason))) = (written, batch.close) {
            return Err(End::Close(code, reason));
        }
        self.written(written)?;
        if self.frames.is_let_go() && self.writer.is_empty() { Err(self.let_go()) } else { Ok(()) }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.unanswered >= WINDOW {
            // It is we who do not listen.
            self.heard = Instant::now();
        }
        if self.heard.elapsed() > SILENCE {
            return Err(End::Close(code::POLICY, "silent for too long"));
        }
        let pinged = self.writer.ping(&mut self.socket).await;
        self.written(pinged)
    }

    fn written(&self, written: Written) -> Result<(), End> {
        match written {
            Written::Done => Ok(()),
            Written::Gone => Err(End::Gone),
            Written::Shutdown => Err(GOING_AWAY),
            Written::LetGo => Err(self.let_go()),
        }
    }

    /// Why the mailbox let go of the link: it said so, or its word found no room among the frames.
    fn let_go(&self) -> End {
        if let Some((code, reason)) = self.writer.close() {
            return End::Close(code, reason);
        }
        match access::check_alive(&self.app, &self.access) {
            Err(error) if error.code != Code::Unavailable => ENDED,
            _ => End::Close(code::POLICY, "frames are not being read"),
        }
    }

    /// Tells the client what becomes of its messages that are under way, then closes.
    async fn finish(&mut self, end: End) {
        let End::Close(code, reason) = end else { return };
        let until = Instant::now() + FAREWELL;
        while self.unanswered > 0 && timeout_at(until, self.writer.filled()).await.is_ok() {
            let answers = self.writer.take_answers();
            self.unanswered -= answers.answered;
            for text in answers.texts {
                let text = Message::Text(text);
                if !timeout_at(until, self.socket.send(text)).await.is_ok_and(|sent| sent.is_ok()) {
                    return;
                }
            }
        }
        let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        if timeout(FAREWELL, self.socket.send(Message::Close(Some(close)))).await.is_ok_and(|sent| sent.is_ok()) {
            // The peer answers the close; what it says after it is of no account.
            let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = self.socket.recv().await {} }).await;
        }
    }
}

fn unreadable(error: axum::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;

    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => End::Close(code::TOO_LARGE, "a frame has at most 262144 bytes"),
        Some(Error::Utf8(_)) => End::Close(code::INVALID, "a text frame is UTF-8"),
        _ => End::Gone,
    }
}
