//! Writing to a socket: what waits is put into frames and written together, with one flush.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::ws::{Message, Utf8Bytes, WebSocket},
};
use bytes::{BufMut as _, BytesMut};
use futures_util::SinkExt as _;
use missive_wire::{Address, DeviceId, Hello, MESSAGE_IDS_MAX, MessageId, ServerFrame};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::told::told;
use crate::{
    app::App,
    hub::{Frames, Outcome, Outgoing},
};

/// A socket that takes nothing for so long is given up; one that takes little is not.
const WRITE: Duration = Duration::from_secs(30);
/// How often a write that takes long looks whether its mailbox has let go of the link.
const LOOK: Duration = Duration::from_millis(200);
/// About how many bytes are taken at a time: between, the client's acknowledgements are read.
const BATCH: usize = 1024 * 1024;
/// Bytes of a frame besides its ciphertext, about.
const FRAME: usize = 320;
/// Bytes of an id in a list.
const ID: usize = 40;
/// How many entries of a socket's queue stay allocated.
const KEPT: usize = 64;

/// Writes frames to a socket.
pub(super) struct Writer {
    app: Arc<App>,
    frames: Frames,
    device: DeviceId,
    taken: VecDeque<Outgoing>,
}

/// What waited for a socket, as texts.
#[derive(Default)]
pub(super) struct Batch {
    /// The frames.
    pub(super) texts: Vec<Utf8Bytes>,
    /// How many of the client's frames they answer.
    pub(super) answered: usize,
    /// Whether to close after them.
    pub(super) close: Option<(u16, &'static str)>,
}

/// How a write to the socket ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
    /// Well.
    Done,
    /// The socket is gone, or takes nothing.
    Gone,
    /// The server stops.
    Shutdown,
    /// The mailbox has let go of the link.
    LetGo,
}

impl Writer {
    pub(super) fn new(app: Arc<App>, frames: Frames, device: DeviceId) -> Self {
        Self { app, frames, device, taken: VecDeque::new() }
    }

    /// Waits until there is something to take, or the mailbox has let go.
    pub(super) async fn ready(&self) {
        if self.taken.is_empty() {
            self.frames.ready().await;
        }
    }

    /// Waits until there is something to take, though the mailbox may have let go.
    pub(super) async fn filled(&self) {
        if self.taken.is_empty() {
            self.frames.filled().await;
        }
    }

    /// Whether all that was taken from the queue is in a batch.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// The mailbox's word to close, if one waits.
    pub(super) fn close(&self) -> Option<(u16, &'static str)> {
        self.taken.iter().find_map(Outgoing::close).or_else(|| self.frames.close())
    }

    /// Takes what waits, as much as is written at a time.
    pub(super) fn take(&mut self) -> Batch {
        self.batch(false)
    }

    /// Takes what waits, and of that only what answers the client.
    pub(super) fn take_answers(&mut self) -> Batch {
        self.batch(true)
    }

    fn batch(&mut self, answers_only: bool) -> Batch {
        if self.taken.is_empty() {
            self.frames.take(&mut self.taken);
        }
        let mut batch = Batch::default();
        let mut text = BytesMut::with_capacity(self.taken.iter().map(size).sum::<usize>().min(BATCH + FRAME));
        let mut bytes = 0;
        while let Some(next) = self.taken.pop_front() {
            bytes += size(&next);
            if !answers_only || next.is_answer() {
                self.put(next, &mut batch, &mut text);
            }
            if bytes >= BATCH {
                break;
            }
        }
        self.taken.shrink_to(KEPT);
        batch
    }

    /// Puts one thing into a batch, with what follows that is told alike.
    fn put(&mut self, next: Outgoing, batch: &mut Batch, text: &mut BytesMut) {
        match next {
            Outgoing::Message(message) => batch.put(message.as_ref(), text),
            Outgoing::Frame(frame) => batch.put(frame.as_ref(), text),
            Outgoing::Answer(frame) => {
                batch.answered += 1;
                batch.put(frame.as_ref(), text);
            }
            Outgoing::Told(id, receiver, outcome) => {
                let mut ids = vec![id];
                while let Some(id) = self.next_alike(&receiver, outcome, ids.len()) {
                    ids.push(id);
                }
                batch.answered += ids.len();
                for frame in told(ids, &receiver, outcome) {
                    batch.put(&frame, text);
                }
            }
            Outgoing::Hello { pending } => {
                let hello = Hello { incarnation: self.app.incarnation, device: self.device, pending };
                batch.put(&ServerFrame::Hello { hello }, text);
                for restored in self.app.known_peers.restored().iter() {
                    batch.put(&ServerFrame::PeerIncarnation { peer_incarnation: restored.peer.clone() }, text);
                }
            }
            // What comes behind it answers the client still.
            Outgoing::Close(code, reason) => batch.close = batch.close.or(Some((code, reason))),
        }
    }

    /// The id of the next message, if the same is to be told of it and there is room for it in the frame.
    fn next_alike(&mut self, receiver: &Address, outcome: Outcome, ids: usize) -> Option<MessageId> {
        let taken = matches!(outcome, Outcome::Received | Outcome::Stored) && ids < MESSAGE_IDS_MAX;
        match self.taken.front()? {
            Outgoing::Told(id, to, other) if taken && *other == outcome && to == receiver => {
                let id = *id;
                self.taken.pop_front();
                Some(id)
            }
            _ => None,
        }
    }

    /// Writes frames, then flushes once.
    pub(super) async fn write(&self, socket: &mut WebSocket, texts: Vec<Utf8Bytes>) -> Written {
        for text in texts {
            match self.unless_ended(socket.feed(Message::Text(text))).await {
                Written::Done => {}
                ended => return ended,
            }
        }
        self.flush(socket).await
    }

    /// Pings the peer.
    pub(super) async fn ping(&self, socket: &mut WebSocket) -> Written {
        self.unless_ended(socket.send(Message::Ping(Bytes::new()))).await
    }

    /// Flushes what the library has ready.
    pub(super) async fn flush(&self, socket: &mut WebSocket) -> Written {
        self.unless_ended(socket.flush()).await
    }

    /// Writes, unless meanwhile the server stops or the mailbox lets go of the link: a peer that takes nothing must not
    /// keep an ended session open.
    async fn unless_ended(&self, writing: impl Future<Output = Result<(), axum::Error>>) -> Written {
        let let_go = async {
            while !self.frames.is_let_go() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            biased;
            written = timeout(WRITE, writing) => match written {
                Ok(Ok(())) => Written::Done,
                _ => Written::Gone,
            },
            () = self.app.shutdown.cancelled() => Written::Shutdown,
            () = let_go => Written::LetGo,
        }
    }
}

impl Batch {
    /// Puts a frame into the batch: a part of `buffer`.
    fn put(&mut self, frame: &impl Serialize, buffer: &mut BytesMut) {
        let written = serde_json::to_writer(buffer.writer(), frame);
        let text = buffer.split().freeze();
        self.texts.extend(written.ok().and_then(|()| Utf8Bytes::try_from(text).ok()));
    }
}

/// How much a frame takes, about.
fn size(outgoing: &Outgoing) -> usize {
    match outgoing {
        Outgoing::Message(message) => FRAME + message.content.as_str().len(),
        Outgoing::Told(..) => ID,
        _ => FRAME,
    }
}
