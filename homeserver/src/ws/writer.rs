//! Writing to a socket: what waits is put into frames and written together, with one flush.

use std::{collections::VecDeque, iter::Peekable, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::ws::{Message, Utf8Bytes, WebSocket},
};
use bytes::{BufMut as _, BytesMut};
use futures_util::SinkExt as _;
use missive_wire::{DeviceId, Hello, MESSAGE_IDS_MAX, MessageId, ServerFrame};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::told::told;
use crate::{
    app::App,
    hub::{Frames, Outcome, Outgoing, Sending},
};

/// A socket that takes nothing for so long is given up.
const WRITE: Duration = Duration::from_secs(30);
/// How often a write that takes long looks whether its mailbox has let go of the link.
const LOOK: Duration = Duration::from_millis(200);
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

    /// Takes what waits, up to a word to close.
    pub(super) fn take(&mut self) -> Batch {
        self.batch(|_| true)
    }

    /// Takes what waits, and of that only what answers the client.
    pub(super) fn take_answers(&mut self) -> Batch {
        self.batch(|outgoing| matches!(outgoing, Outgoing::Told(..) | Outgoing::Answer(_)))
    }

    fn batch(&mut self, is_wanted: impl Fn(&Outgoing) -> bool) -> Batch {
        self.frames.take(&mut self.taken);
        let mut batch = Batch::default();
        let mut text = BytesMut::with_capacity(self.taken.iter().map(size).sum());
        let mut put = |batch: &mut Batch, frame: &dyn Frame| batch.texts.extend(frame.text(&mut text));
        let mut outgoing = self.taken.drain(..).filter(is_wanted).peekable();
        while let Some(next) = outgoing.next() {
            match next {
                Outgoing::Message(message) => put(&mut batch, message.as_ref()),
                Outgoing::Frame(frame) => put(&mut batch, frame.as_ref()),
                Outgoing::Answer(frame) => {
                    batch.answered += 1;
                    put(&mut batch, frame.as_ref());
                }
                Outgoing::Told(sending, outcome) => {
                    let mut ids = vec![sending.id];
                    while let Some(id) = next_alike(&mut outgoing, &sending, outcome, ids.len()) {
                        ids.push(id);
                    }
                    batch.answered += ids.len();
                    told(ids, &sending.receiver, outcome).iter().for_each(|frame| put(&mut batch, frame));
                }
                Outgoing::Hello { pending } => {
                    let hello = Hello { incarnation: self.app.incarnation, device: self.device, pending };
                    put(&mut batch, &ServerFrame::Hello { hello });
                }
                Outgoing::Close(code, reason) => {
                    batch.close = Some((code, reason));
                    break;
                }
            }
        }
        drop(outgoing);
        self.taken.shrink_to(KEPT);
        batch
    }

    /// Writes frames, then flushes once.
    pub(super) async fn write(&self, socket: &mut WebSocket, texts: Vec<Utf8Bytes>) -> Written {
        self.unless_ended(async {
            for text in texts {
                socket.feed(Message::Text(text)).await?;
            }
            socket.flush().await
        })
        .await
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

/// The id of the next message, if the same is to be told of it and there is room for it in the frame.
fn next_alike(
    outgoing: &mut Peekable<impl Iterator<Item = Outgoing>>,
    first: &Sending,
    outcome: Outcome,
    ids: usize,
) -> Option<MessageId> {
    let alike = |next: &Outgoing| match next {
        Outgoing::Told(sending, other) => {
            *other == outcome
                && matches!(outcome, Outcome::Received | Outcome::Stored)
                && ids < MESSAGE_IDS_MAX
                && sending.receiver == first.receiver
        }
        _ => false,
    };
    match outgoing.next_if(alike)? {
        Outgoing::Told(sending, _) => Some(sending.id),
        _ => None,
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

/// What can be a text frame.
trait Frame {
    /// The frame as text: a part of `buffer`, which has room for all of a batch.
    fn text(&self, buffer: &mut BytesMut) -> Option<Utf8Bytes>;
}

impl<T: Serialize> Frame for T {
    fn text(&self, buffer: &mut BytesMut) -> Option<Utf8Bytes> {
        let written = serde_json::to_writer(buffer.writer(), self);
        let text = buffer.split().freeze();
        written.ok().and_then(|()| Utf8Bytes::try_from(text).ok())
    }
}
