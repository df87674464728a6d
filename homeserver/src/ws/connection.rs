//! One connected device: reads its frames, waits for what became of its messages, writes what its mailbox says.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _, stream::FuturesUnordered};
use missive_wire::{Code, Hello, ServerFrame};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at},
};

use super::dispatch::Dispatcher;
use crate::{
    app::App,
    hub::{Input, Link, Outgoing, WINDOW},
    model::Access,
    service::{access, delivery},
};

/// Frames that may wait for a slow socket: the window of messages, that of statuses, and room for the rest.
const FRAMES: usize = 512;

/// The server pings as often …
const PING: Duration = Duration::from_secs(30);
/// … and drops a peer that has been silent for so long.
const SILENCE: Duration = Duration::from_secs(90);
/// A socket that takes nothing for so long is given up.
const WRITE: Duration = Duration::from_secs(30);
/// How long a closing socket waits for what became of its messages, and for the peer to take it.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often a write that takes long looks whether its mailbox has let go of the link.
const LOOK: Duration = Duration::from_millis(200);

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

/// Frames that are under way: each future ends in what the client is then told.
pub(super) type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = Vec<ServerFrame>> + Send>>>;

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

struct Connection {
    app: Arc<App>,
    access: Access,
    socket: WebSocket,
    frames: mpsc::Receiver<Outgoing>,
    dispatcher: Dispatcher,
    under_way: UnderWay,
    heard: Instant,
}

/// Runs a connection until either side ends it.
pub(super) async fn run(app: Arc<App>, access: Access, socket: WebSocket) {
    let (sender, frames) = mpsc::channel(FRAMES);
    let id = NEXT_LINK.fetch_add(1, Ordering::Relaxed);
    let link = Link { id, session: access.session, frames: sender };
    delivery::give(&app, access.device_key(), Input::Connect(link)).await;
    metrics::gauge!("connections").increment(1);
    let mut connection = Connection {
        dispatcher: Dispatcher::new(app.clone(), access.clone()),
        under_way: FuturesUnordered::new(),
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
    metrics::gauge!("connections").decrement(1);
    delivery::give(&connection.app, connection.access.device_key(), Input::Disconnect(id)).await;
}

impl Connection {
    async fn serve(&mut self) -> End {
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.app.shutdown.clone();
        loop {
            let end = tokio::select! {
                () = shutdown.cancelled() => Some(GOING_AWAY),
                outgoing = self.frames.recv() => match outgoing {
                    Some(outgoing) => self.write(outgoing).await.err(),
                    None => Some(self.let_go()),
                },
                Some(told) = self.under_way.next(), if !self.under_way.is_empty() => self.tell(told).await.err(),
                received = self.socket.recv(), if self.under_way.len() < WINDOW => self.received(received).await.err(),
                _ = pings.tick() => self.ping().await.err(),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    async fn received(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match received {
            Some(Ok(Message::Text(text))) => {
                let Some(told) = self.dispatcher.take(text.as_str(), &mut self.under_way).await else {
                    return Err(End::Close(code::FLOODING, "too many frames; slow down and reconnect"));
                };
                self.tell(told).await
            }
            Some(Ok(Message::Binary(_))) => Err(End::Close(code::UNSUPPORTED, "frames are text")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                if self.dispatcher.allow() {
                    Ok(())
                } else {
                    Err(End::Close(code::FLOODING, "too many frames"))
                }
            }
            Some(Ok(Message::Close(_))) => {
                // The library has the answer to it ready.
                let _ = self.flush().await;
                Err(End::Gone)
            }
            None => Err(End::Gone),
            Some(Err(error)) => Err(unreadable(error)),
        }
    }

    /// Writes a frame and whatever else waits, then flushes once.
    async fn write(&mut self, first: Outgoing) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(outgoing) = next {
            let text = match outgoing {
                Outgoing::Message(message) => json(message.as_ref()),
                Outgoing::Frame(frame) => json(&frame),
                Outgoing::Hello { pending } => {
                    let (incarnation, device) = (self.app.incarnation, self.access.device);
                    json(&ServerFrame::Hello { hello: Hello { incarnation, device, pending } })
                }
                Outgoing::Close(code, reason) => return Err(End::Close(code, reason)),
            };
            self.feed(Message::Text(text)).await?;
            next = self.frames.try_recv().ok();
        }
        self.flush().await
    }

    async fn tell(&mut self, frames: Vec<ServerFrame>) -> Result<(), End> {
        if frames.is_empty() {
            return Ok(());
        }
        for frame in frames {
            self.feed(Message::Text(json(&frame))).await?;
        }
        self.flush().await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.under_way.len() >= WINDOW {
            // It is we who do not listen.
            self.heard = Instant::now();
        }
        if self.heard.elapsed() > SILENCE {
            return Err(End::Close(code::POLICY, "silent for too long"));
        }
        self.feed(Message::Ping(axum::body::Bytes::new())).await?;
        self.flush().await
    }

    async fn feed(&mut self, message: Message) -> Result<(), End> {
        let fed = unless_ended(self.socket.feed(message), &self.app, &self.frames).await;
        self.written(fed)
    }

    async fn flush(&mut self) -> Result<(), End> {
        let flushed = unless_ended(self.socket.flush(), &self.app, &self.frames).await;
        self.written(flushed)
    }

    fn written(&mut self, written: Written) -> Result<(), End> {
        match written {
            Written::Done => Ok(()),
            Written::Gone => Err(End::Gone),
            Written::Shutdown => Err(GOING_AWAY),
            Written::LetGo => Err(self.let_go()),
        }
    }

    /// Why the mailbox let go of the link: it said so, or its word found no room among the frames.
    fn let_go(&mut self) -> End {
        while let Ok(outgoing) = self.frames.try_recv() {
            if let Outgoing::Close(code, reason) = outgoing {
                return End::Close(code, reason);
            }
        }
        match access::check_alive(&self.app, &self.access) {
            Err(error) if error.code != Code::Unavailable => ENDED,
            _ => End::Close(code::POLICY, "frames are not being read"),
        }
    }

    /// Tells the client what became of what is under way, then closes.
    async fn finish(&mut self, end: End) {
        let End::Close(code, reason) = end else { return };
        let until = Instant::now() + FAREWELL;
        while let Ok(Some(told)) = timeout_at(until, self.under_way.next()).await {
            for frame in told {
                let text = Message::Text(json(&frame));
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

/// How a write to the socket ended.
#[derive(Debug, Clone, Copy)]
enum Written {
    Done,
    Gone,
    Shutdown,
    LetGo,
}

/// Writes, unless meanwhile the server stops or the mailbox lets go of the link: a peer that takes nothing must not keep
/// an ended session open.
async fn unless_ended(
    writing: impl Future<Output = Result<(), axum::Error>>,
    app: &App,
    frames: &mpsc::Receiver<Outgoing>,
) -> Written {
    let let_go = async {
        while !frames.is_closed() {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        biased;
        written = timeout(WRITE, writing) => match written {
            Ok(Ok(())) => Written::Done,
            _ => Written::Gone,
        },
        () = app.shutdown.cancelled() => Written::Shutdown,
        () = let_go => Written::LetGo,
    }
}

fn json(frame: &impl Serialize) -> Utf8Bytes {
    Utf8Bytes::from(serde_json::to_string(frame).unwrap_or_default())
}

fn unreadable(error: axum::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;

    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => End::Close(code::TOO_LARGE, "a frame has at most 262144 bytes"),
        Some(Error::Utf8(_)) => End::Close(code::INVALID, "a text frame is UTF-8"),
        _ => End::Gone,
    }
}
