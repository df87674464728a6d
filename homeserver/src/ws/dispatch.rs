//! What a client's frame means: parse, call, reply.

use std::sync::Arc;

use missive_wire::{
    Address, ClientFrame, Code, ErrorDetails, FrameError, MessageFrame, MessageId, Scope, ServerError, ServerFrame,
    State, StatusAck, StatusFrame, StatusUpdate,
};
use uuid::Uuid;

use super::connection::UnderWay;
use crate::{
    app::{App, FrameLimit},
    error::Error,
    hub::{Held, Outcome, Turns},
    model::Access,
    service::{access, messages, statuses},
};

/// Seconds after which a sender may try again …
const SOON: u64 = 2;
/// … what failed for lack of room.
const LATER: u64 = 60;

/// Takes a client's frames.
pub(super) struct Dispatcher {
    app: Arc<App>,
    access: Access,
    limit: Option<FrameLimit>,
    turns: Arc<Turns>,
}

impl Dispatcher {
    pub(super) fn new(app: Arc<App>, access: Access) -> Self {
        let limit = app.limits.frames();
        Self { app, access, limit, turns: Arc::default() }
    }

    /// Whether the client may send another frame by now.
    pub(super) fn allow(&self) -> bool {
        self.limit.as_ref().is_none_or(FrameLimit::allow)
    }

    /// Takes a frame: what is to be told at once, the rest being under way; `None` if the client floods.
    pub(super) async fn take(&mut self, text: &str, under_way: &mut UnderWay) -> Option<Vec<ServerFrame>> {
        if !self.allow() {
            return None;
        }
        let failure = match ClientFrame::parse(text) {
            Ok(ClientFrame::Message(frame)) => self.message(frame, under_way).await,
            Ok(ClientFrame::Status(frame)) => self.status(frame, under_way).await,
            Ok(ClientFrame::StatusAck(StatusAck { message_ids, state })) => {
                statuses::acknowledge_over_socket(&self.app, &self.access, message_ids, state).await;
                None
            }
            Err(FrameError { error, code, id }) => {
                Some(ServerError { error, code, id, details: ErrorDetails::default() })
            }
        };
        Some(failure.map(ServerFrame::Error).into_iter().collect())
    }

    async fn message(&self, frame: MessageFrame, under_way: &mut UnderWay) -> Option<ServerError> {
        let id = frame.id;
        match self.send(frame).await {
            Ok(sending) => {
                under_way.push(Box::pin(async move {
                    let (id, receiver) = (sending.id, sending.receiver.clone());
                    told(id, &receiver, sending.outcome().await).into_iter().collect()
                }));
                None
            }
            Err(error) => Some(failure(error, id)),
        }
    }

    async fn send(&self, frame: MessageFrame) -> Result<messages::Sending, Error> {
        access::require(&self.access, Scope::MessagesWrite)?;
        let id = frame.id;
        if let Some(id) = id {
            self.turns.come(id);
        }
        let receiver = messages::receiver(&self.app, &frame.receiver).await;
        let receiver = receiver.inspect_err(|error| self.note(None, id, error))?;
        let account = receiver.account;
        if let Some(held) = self.turns.held(account) {
            return Err(after_failed(Some(held)));
        }
        let sending = messages::send(&self.app, &self.access, receiver, frame, &self.turns).await;
        sending.inspect_err(|error| self.note(Some(account), id, error))
    }

    /// Remembers a message that failed for now before it came to a mailbox.
    fn note(&self, account: Option<Uuid>, id: Option<MessageId>, error: &Error) {
        if let Some(id) = id.filter(|_| error.details.retry_after.is_some()) {
            self.turns.fail(account, id);
        }
    }

    async fn status(&self, frame: StatusFrame, under_way: &mut UnderWay) -> Option<ServerError> {
        let (app, access) = (self.app.clone(), self.access.clone());
        let id = frame.message_ids.first().copied();
        if frame.state != State::Read {
            return statuses::settle(&app, &access, frame).await.err().map(|error| failure(error, id));
        }
        // A `read` is told `noted` once it is durable; reading goes on meanwhile.
        under_way.push(Box::pin(async move {
            match statuses::read(&app, &access, frame).await {
                Ok(noted) => vec![noted],
                Err(error) => vec![ServerFrame::Error(failure(error, id))],
            }
        }));
        None
    }
}

/// A message whose turn has not come: an earlier one to the same receiver failed for now.
fn after_failed(held: Option<Held>) -> Error {
    let message = match held {
        Some(Held::By(first)) => format!("message {first} to the same receiver failed for now: send that one first"),
        Some(Held::ByMany) => "too many messages failed for now: send those first".into(),
        None => "an earlier message to the same receiver failed for now: send that one first".into(),
    };
    Error::temporary(Code::AfterFailed, message, SOON)
}

/// What a message's sender is told of it.
fn told(id: MessageId, receiver: &Address, outcome: Outcome) -> Option<ServerFrame> {
    let status = |state| {
        let sender = receiver.clone();
        Some(ServerFrame::Status(StatusUpdate {
            message_id: Some(id),
            message_ids: Vec::new(),
            state,
            sender,
            code: None,
        }))
    };
    let error = |error: Error| Some(ServerFrame::Error(failure(error, Some(id))));
    match outcome {
        Outcome::Received => status(State::Received),
        Outcome::Stored => status(State::Sent),
        // The status is stored: the sender's mailbox tells it.
        Outcome::Settled => None,
        Outcome::Gone => error(Error::new(Code::ReceiverGone, format!("{receiver} can no longer receive messages"))),
        Outcome::Full => {
            error(Error::temporary(Code::QuotaExceeded, format!("the store of {receiver} is full for now"), LATER))
        }
        Outcome::AfterFailed => error(after_failed(None)),
        Outcome::Failed => {
            let message = "the server could not store the message; send it again";
            error(Error::temporary(Code::Unavailable, message, SOON))
        }
    }
}

fn failure(error: Error, id: Option<MessageId>) -> ServerError {
    if error.source.is_some() {
        tracing::error!(%error, "a frame failed");
    }
    ServerError { error: error.message, code: error.code, id, details: *error.details }
}
