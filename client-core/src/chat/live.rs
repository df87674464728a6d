//! One connection while it lives: frames are taken in, acknowledged, and the outbox goes out.

use std::{sync::Arc, time::Duration};

use missive_wire::{
    ClientFrame, Code, Delivered, Hello, MessageId, ServerError, ServerFrame, State, StatusUpdate, Timestamp,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    acknowledge::Acknowledgements,
    event::Event,
    flight::{Flight, Step},
    outbox::Outgoing,
    socket::{Incoming, Socket},
    status::Failed,
};
use crate::{Error, client::Inner, fault};

/// Ciphertexts older than this are not sent again.
const RESEND_FOR: Duration = Duration::from_hours(30 * 24);

/// After so many frames that came in, it is looked whether something is to go out.
const BURST: u32 = 32;

/// `read` statuses are repeated this many at a time.
const READS: u32 = 100;

/// An open connection and what it still has to do.
pub(super) struct Live<'a> {
    inner: &'a Arc<Inner>,
    events: &'a mpsc::Sender<Event>,
    socket: Socket,
    acknowledgements: Acknowledgements,
    flight: Flight,
    /// The last `read` that was told on this connection.
    reads_told: i64,
}

/// Why a connection ended.
pub(super) enum End {
    /// It was asked to.
    Asked,
    /// The homeserver closed it.
    Closed(u16, String),
    /// It broke.
    Lost(String),
    /// The local storage failed, or the like: trying again would not help.
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Live<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, events: &'a mpsc::Sender<Event>, socket: Socket) -> Self {
        Self {
            inner,
            events,
            socket,
            acknowledgements: Acknowledgements::default(),
            flight: Flight::default(),
            reads_told: 0,
        }
    }

    /// Runs until the end; `asked` ends it.
    pub(super) async fn run(mut self, hello: Hello, asked: impl Future<Output = ()>) -> End {
        let end = match self.work(hello, asked).await {
            Ok(()) => End::Asked,
            Err(end) => end,
        };
        if !matches!(end, End::Lost(_) | End::Closed(..)) {
            let _ = self.owe_reads().await;
            let _ = self.acknowledge().await;
            self.socket.close().await;
        }
        end
    }

    async fn work(&mut self, hello: Hello, asked: impl Future<Output = ()>) -> Result<(), End> {
        self.inner.mailbox.greet(hello.incarnation).await?;
        self.emit(Event::Connected { pending: hello.pending }).await;
        self.inner.chores.notify_one();
        self.pump().await?;
        tokio::pin!(asked);
        let mut taken = 0_u32;
        loop {
            let retry_at = self.flight.retry_at();
            let idle = !self.acknowledgements.is_empty();
            tokio::select! {
                biased;
                () = &mut asked => return Ok(()),
                incoming = self.socket.next() => {
                    self.take(incoming).await?;
                    taken = taken.wrapping_add(1);
                    if taken.is_multiple_of(BURST) {
                        // However much comes in, something goes out.
                        self.flight.retry(Instant::now());
                        self.pump().await?;
                    }
                }
                () = std::future::ready(()), if idle => self.acknowledge().await?,
                () = self.inner.account.work.notified() => self.pump().await?,
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                    self.flight.retry(Instant::now());
                    self.pump().await?;
                }
            }
        }
    }

    async fn take(&mut self, incoming: Incoming) -> Result<(), End> {
        let frame = match incoming {
            Incoming::Frame(Some(frame)) => *frame,
            Incoming::Frame(None) => return Ok(()),
            Incoming::Closed(code, reason) => return Err(End::Closed(code, reason)),
            Incoming::Lost(reason) => return Err(End::Lost(reason)),
        };
        match frame {
            ServerFrame::Message(delivered) => self.message(&delivered).await?,
            ServerFrame::Status(update) => self.status(&update).await?,
            ServerFrame::Error(error) => self.error(error).await?,
            ServerFrame::Noted { noted } => {
                fault::point("read-noted");
                self.inner.mailbox.reads_noted(&noted.message_ids).await?;
                self.owe_reads().await?;
            }
            ServerFrame::PeerIncarnation { peer_incarnation } => {
                if self.inner.mailbox.peer_greets(&peer_incarnation).await? {
                    self.flight.rewind();
                    self.pump().await?;
                }
            }
            ServerFrame::Keys { .. } => self.inner.keys_are_low(),
            ServerFrame::Drained { .. } => self.emit(Event::Drained).await,
            ServerFrame::Hello { .. } => {}
        }
        if self.acknowledgements.is_full() { self.acknowledge().await } else { Ok(()) }
    }

    async fn message(&mut self, delivered: &Delivered) -> Result<(), End> {
        let received = self.inner.mailbox.receive(delivered).await?;
        let Delivered { sender, sender_device, id, .. } = delivered;
        self.acknowledgements.message(sender, *sender_device, *id, received.settled);
        if let Some(message) = received.message {
            // Its sender need not wait for whoever shows it; it is shown whether or not that can be said.
            let said = self.acknowledge().await;
            self.emit(Event::Message(message)).await;
            said?;
        }
        Ok(())
    }

    async fn status(&mut self, update: &StatusUpdate) -> Result<(), End> {
        let applied = self.inner.mailbox.apply_status(update).await?;
        let freed = applied.genuine.iter().filter(|id| self.flight.settle(**id)).count();
        // `sent` is told once and not kept.
        if update.state != State::Sent {
            self.acknowledgements.statuses(update.state, &applied.genuine);
        }
        for change in applied.changes {
            self.emit(Event::Status(change)).await;
        }
        if applied.again {
            self.inner.chores.notify_one();
        }
        if freed > 0 { self.pump().await } else { Ok(()) }
    }

    async fn error(&mut self, error: ServerError) -> Result<(), End> {
        let ServerError { error, code, id, details } = error;
        let retry_after = details.retry_after.map(Duration::from_secs);
        match id {
            Some(id) if retry_after.is_some() || code == Code::AfterFailed => {
                let nothing_before = self.flight.hold(id, Instant::now(), retry_after);
                if nothing_before && code == Code::AfterFailed {
                    // It waits for one that this client has no more; to a new connection it owes nothing.
                    return Err(End::Lost("the homeserver waits for a message that is settled".to_owned()));
                }
                self.emit(Event::Error { code, error, id: Some(id) }).await;
                Ok(())
            }
            Some(id) if self.flight.settle(id) => {
                self.fail(id, code).await?;
                self.pump().await
            }
            id => {
                if let (Some(id), Code::ReceiverGone | Code::NotFound | Code::UnknownServer) = (id, code) {
                    self.inner.mailbox.reads_refused(id).await?;
                }
                self.emit(Event::Error { code, error, id }).await;
                Ok(())
            }
        }
    }

    /// Sends what the window has room for, and what was shown.
    async fn pump(&mut self) -> Result<(), End> {
        while let Some((after, room)) = self.flight.room() {
            let page = self.inner.mailbox.outbox(after, room).await?;
            if page.is_empty() {
                break;
            }
            let mut frames = Vec::new();
            for (position, outgoing) in page {
                frames.extend(self.next(position, outgoing).await?);
            }
            if frames.is_empty() {
                continue;
            }
            fault::point("send-begun");
            self.socket.send(frames).await.map_err(End::Lost)?;
            fault::point("send-written");
        }
        Ok(self.owe_reads().await?)
    }

    /// Tells what was shown and has not been noted, once a connection.
    async fn owe_reads(&mut self) -> Result<(), Error> {
        for (position, owed) in self.inner.mailbox.owed_reads(self.reads_told, READS).await? {
            self.reads_told = position;
            self.acknowledgements.read(owed);
        }
        Ok(())
    }

    /// The frame of a message of the outbox, if it is to be sent.
    async fn next(&mut self, position: i64, outgoing: Outgoing) -> Result<Option<String>, Error> {
        let is_over = is_over(outgoing.since, self.inner.mailbox.now());
        if outgoing.sent || is_over {
            self.flight.skip(position);
        }
        if outgoing.sent {
            if is_over {
                self.inner.mailbox.let_go(outgoing.id).await?;
            }
            return Ok(None);
        }
        if is_over {
            self.fail(outgoing.id, Code::Expired).await?;
            return Ok(None);
        }
        let step = self.flight.next(position, outgoing.id, &outgoing.receiver);
        Ok((step == Step::Send).then_some(outgoing.frame))
    }

    async fn acknowledge(&mut self) -> Result<(), End> {
        let frames = self.acknowledgements.take().iter().map(ClientFrame::to_json).collect::<Vec<_>>();
        fault::point("acknowledge-begun");
        self.socket.send(frames).await.map_err(End::Lost)?;
        fault::point("acknowledge-written");
        Ok(())
    }

    /// A message will never be taken in this form.
    async fn fail(&self, id: MessageId, code: Code) -> Result<(), Error> {
        match self.inner.mailbox.fail(id, code).await? {
            Failed::For(change) => self.emit(Event::Status(change)).await,
            Failed::Again => self.inner.chores.notify_one(),
            Failed::Not => {}
        }
        Ok(())
    }

    /// A listener that has gone is no reason to stop receiving.
    async fn emit(&self, event: Event) {
        let _ = self.events.send(event).await;
    }
}

/// Whether a ciphertext is too old to be sent.
pub(super) fn is_over(since: Timestamp, now: Timestamp) -> bool {
    let age = now.millis().saturating_sub(since.millis());
    u128::try_from(age).is_ok_and(|age| age > RESEND_FOR.as_millis())
}
