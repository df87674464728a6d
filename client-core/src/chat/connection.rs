//! A connection that comes back by itself.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use missive_wire::Hello;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    backoff::Backoff,
    chores,
    event::{Closed, Event},
    live::{End, Live},
    socket::Socket,
};
use crate::{Error, SignalError, StorageError, account::keys, client::Inner};

/// Events that nobody has taken yet; when they are this many, the connection waits.
const EVENTS: usize = 1024;

/// Longer than this nobody waits because a homeserver says so.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A connection that held this long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// A connection to the homeserver. While it is open, messages come in and are acknowledged, and the outbox goes out.
/// Take its events, with [`Connection::next`] or as a [`Stream`]: when a thousand wait, it waits too.
pub struct Connection {
    events: mpsc::Receiver<Event>,
    asked: watch::Sender<bool>,
    task: JoinHandle<()>,
    inner: Arc<Inner>,
}

/// A task that ends with whoever holds this, wherever it is.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether a connection that is lost comes back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// It does, until it is closed for good.
    Always,
    /// It is tried once, and its loss is the last event.
    Never,
}

impl Connection {
    pub(crate) async fn open(inner: Arc<Inner>, reconnect: Reconnect) -> Result<Self, Error> {
        let first = match reconnect {
            Reconnect::Always => None,
            Reconnect::Never => Some(dial(&inner).await?),
        };
        let (sender, events) = mpsc::channel(EVENTS);
        let (asked, ask) = watch::channel(false);
        let task = tokio::spawn(run(inner.clone(), sender, ask, first));
        Ok(Self { events, asked, task, inner })
    }

    /// The next event; `None` after the last one. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Closes the connection when every acknowledgement has been said.
    pub async fn close(mut self) {
        self.events.close();
        let _ = self.asked.send(true);
        let _ = self.task.await;
        // New tokens that nobody has stored would be lost with the process.
        self.inner.account.session.settled().await;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Stream for Connection {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(context)
    }
}

/// Checks that the published keys are ours, then connects.
async fn dial(inner: &Inner) -> Result<(Socket, Hello), Error> {
    keys::reconcile(&inner.account.session, &inner.mailbox).await?;
    Socket::open(&inner.account.session).await
}

async fn run(
    inner: Arc<Inner>,
    events: mpsc::Sender<Event>,
    mut ask: watch::Receiver<bool>,
    first: Option<(Socket, Hello)>,
) {
    let mut chores = AbortOnDrop(tokio::spawn(chores::run(inner.clone(), events.clone())));
    let closed = Box::pin(follow(&inner, &events, &mut ask, first)).await;
    // Until they have let go of the account, another process would find it open.
    chores.0.abort();
    let _ = (&mut chores.0).await;
    if let Some(closed) = closed {
        let _ = events.send(Event::Closed(closed)).await;
    }
}

/// Connects again and again, until there is a reason not to. What to say last.
async fn follow(
    inner: &Arc<Inner>,
    events: &mpsc::Sender<Event>,
    ask: &mut watch::Receiver<bool>,
    first: Option<(Socket, Hello)>,
) -> Option<Closed> {
    let mut backoff = Backoff::default();
    let once = first.is_some();
    let mut dialled = first;
    loop {
        let mut since = None;
        let mut least = Duration::ZERO;
        let end = match attempt(inner, ask, dialled.take()).await {
            Some(Ok((socket, hello))) => {
                since = Some(Instant::now());
                Live::new(inner, events, socket).run(hello, wait(ask.clone())).await
            }
            Some(Err(error)) => {
                if let Error::RateLimited { retry_after: Some(wait), .. } = &error {
                    least = (*wait).min(LONGEST_WAIT);
                }
                End::Failed(error)
            }
            None => End::Asked,
        };
        let error = match lost(end, once) {
            Ok(error) => error,
            Err(closed) => return closed,
        };
        if since.is_some_and(|since| since.elapsed() >= GOOD) {
            backoff.reset();
        }
        let retry_in = backoff.next().max(least);
        let _ = events.send(Event::Disconnected { error, retry_in }).await;
        tokio::select! {
            () = wait(ask.clone()) => return None,
            () = tokio::time::sleep(retry_in) => {}
        }
    }
}

/// `None` when it was asked to stop meanwhile.
async fn attempt(
    inner: &Inner,
    ask: &mut watch::Receiver<bool>,
    dialled: Option<(Socket, Hello)>,
) -> Option<Result<(Socket, Hello), Error>> {
    if let Some(dialled) = dialled {
        return Some(Ok(dialled));
    }
    tokio::select! {
        () = wait(ask.clone()) => None,
        result = dial(inner) => Some(result),
    }
}

/// Resolves when the connection is to end, also because nobody holds it any more.
async fn wait(mut ask: watch::Receiver<bool>) {
    let _ = ask.wait_for(|asked| *asked).await;
}

/// Why a connection is lost but worth another attempt; otherwise what to say last.
fn lost(end: End, once: bool) -> Result<String, Option<Closed>> {
    match end {
        End::Asked => Err(None),
        End::Failed(error) if !once && may_pass(&error) => Ok(error.to_string()),
        End::Failed(error) => Err(Some(Closed::Error(error))),
        // Our frames too large, session ended, connected elsewhere: the same again would end the same.
        End::Closed(code @ (1009 | Closed::SESSION_ENDED | Closed::ELSEWHERE), reason) => {
            Err(Some(Closed::Code(code, reason)))
        }
        End::Closed(code, reason) if once => Err(Some(Closed::Code(code, reason))),
        End::Lost(reason) if once => Err(Some(Closed::Error(Error::Unreachable(reason)))),
        End::Closed(code, reason) => Ok(format!("the homeserver closed the connection ({code}) {reason}")),
        End::Lost(reason) => Ok(reason),
    }
}

/// Whether what failed may go well later: a homeserver that is being worked on, a file that another process uses.
fn may_pass(error: &Error) -> bool {
    let storage = match error {
        Error::Storage(error) | Error::Signal(SignalError::Storage(error)) => Some(error),
        _ => None,
    };
    let is_busy =
        matches!(storage, Some(StorageError::Database(_) | StorageError::Locked { .. } | StorageError::Io(_)));
    error.is_temporary() || is_busy || matches!(error, Error::UnexpectedAnswer(_))
}
