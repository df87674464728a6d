//! What a client's frame means: parse, call, reply.

use std::{collections::HashMap, sync::Arc};

use missive_wire::{
    Address, ClientFrame, Code, ErrorDetails, FrameError, MessageFrame, MessageId, Scope, ServerError, ServerFrame,
    State, StatusAck, StatusFrame, StatusUpdate,
};

use super::connection::UnderWay;
use crate::{
    app::{App, FrameLimit},
    error::Error,
    hub::Outcome,
    model::Access,
    service::{access, messages, statuses},
};

/// Seconds after which a sender may try again …
const SOON: u64 = 2;
/// … what failed for lack of room.
const LATER: u64 = 60;

/// The receivers that a failed message may hold up; beyond, the oldest failures are forgotten with the socket.
const FAILED_MAX: usize = 1024;

/// Takes a client's frames.
pub(super) struct Dispatcher {
    app: Arc<App>,
    access: Access,
    limit: Option<FrameLimit>,
    /// The first message of each receiver that failed for now: later ones wait for it, so that order is kept.
    failed: Arc<std::sync::Mutex<HashMap<Address, MessageId>>>,
}

impl Dispatcher {
    pub(super) fn new(app: Arc<App>, access: Access) -> Self {
        let limit = app.limits.frames();
        Self { app, access, limit, failed: Arc::default() }
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

    async fn message(&mut self, frame: MessageFrame, under_way: &mut UnderWay) -> Option<ServerError> {
        let id = frame.id;
        match self.send(frame).await {
            Ok(sending) => {
                let failed = self.failed.clone();
                under_way.push(Box::pin(async move {
                    let (id, receiver) = (sending.id, sending.receiver.clone());
                    let outcome = sending.outcome().await;
                    if matches!(outcome, Outcome::Full | Outcome::Failed)
                        && let Ok(mut failed) = failed.lock()
                        && failed.len() < FAILED_MAX
                    {
                        failed.entry(receiver.clone()).or_insert(id);
                    }
                    told(id, &receiver, outcome).into_iter().collect()
                }));
                None
            }
            Err(error) => Some(failure(error, id)),
        }
    }

    async fn send(&mut self, frame: MessageFrame) -> Result<messages::Sending, Error> {
        access::require(&self.access, Scope::MessagesWrite)?;
        self.check_turn(&frame)?;
        messages::send(&self.app, &self.access, frame).await
    }

    /// Refuses a message whose receiver still waits for an earlier one that failed for now.
    fn check_turn(&self, frame: &MessageFrame) -> Result<(), Error> {
        let Some(receiver) = frame.receiver.address(&self.app.server_name) else { return Ok(()) };
        let Ok(mut failed) = self.failed.lock() else { return Ok(()) };
        match failed.get(&receiver) {
            Some(first) if Some(*first) != frame.id => {
                let message = format!("message {first} to the same receiver failed for now: send that one first");
                Err(Error::temporary(Code::AfterFailed, message, SOON))
            }
            Some(_) => {
                failed.remove(&receiver);
                Ok(())
            }
            None => Ok(()),
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
