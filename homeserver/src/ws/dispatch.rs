//! What a client's frame means: parse, call, reply.

use std::sync::Arc;

use axum::body::Bytes;
use missive_wire::{
    ClientFrame, ErrorDetails, FrameError, MessageFrame, MessageId, Scope, ServerError, ServerFrame, State, StatusAck,
    StatusFrame,
};

use super::told::{after_failed, failure};
use crate::{
    app::{App, FrameLimit},
    error::Error,
    hub::{Frames, Input, Outgoing, SentBy, Towards, Turns},
    model::Access,
    service::{access, delivery::Way, messages, statuses},
};

/// Takes a client's frames. What is to be told of them goes into the socket's queue.
pub(super) struct Dispatcher {
    app: Arc<App>,
    access: Access,
    limit: Option<FrameLimit>,
    turns: Arc<Turns>,
    frames: Frames,
    own: Way,
}

impl Dispatcher {
    /// `own` is the way to the client's mailbox.
    pub(super) fn new(app: Arc<App>, access: Access, frames: Frames, own: Way) -> Self {
        let limit = app.limits.frames();
        Self { app, access, limit, turns: Arc::default(), frames, own }
    }

    /// Whether the client may send another frame by now.
    pub(super) fn allow(&self) -> bool {
        self.limit.as_ref().is_none_or(FrameLimit::allow)
    }

    /// Tells the mailbox that the link of that id is gone.
    pub(super) async fn disconnect(mut self, link: u64) {
        self.own.give(&self.app, [Input::Disconnect(link)]).await;
    }

    /// Takes a frame; whether an answer to it is owed.
    pub(super) async fn take(&mut self, frame: &Bytes) -> bool {
        let failure = match ClientFrame::read(frame) {
            Ok(ClientFrame::Message(frame)) => {
                let id = frame.id;
                match self.send(frame).await {
                    Ok(()) => return true,
                    Err(error) => failure(error, id),
                }
            }
            Ok(ClientFrame::Status(frame)) if frame.state == State::Read => {
                self.read(frame);
                return true;
            }
            Ok(ClientFrame::Status(frame)) => {
                let id = frame.message_ids.first().copied();
                match statuses::settle(&self.app, &mut self.own, frame).await {
                    Ok(()) => return false,
                    Err(error) => failure(error, id),
                }
            }
            Ok(ClientFrame::StatusAck(StatusAck { message_ids, state })) => {
                statuses::acknowledge_over_socket(&self.app, &mut self.own, message_ids, state).await;
                return false;
            }
            Err(FrameError { error, code, id }) => ServerError { error, code, id, details: ErrorDetails::default() },
        };
        self.frames.answer(Outgoing::Answer(Box::new(ServerFrame::Error(failure))));
        true
    }

    async fn send(&self, frame: MessageFrame) -> Result<(), Error> {
        access::require(&self.access, Scope::MessagesWrite)?;
        let id = frame.id;
        if let Some(id) = id {
            self.turns.come(id);
        }
        let receiver = messages::receiver(&self.app, &frame.receiver).await;
        let receiver = receiver.inspect_err(|error| self.note(None, id, error))?;
        let towards = receiver.towards();
        if let Some(held) = self.turns.held(&towards) {
            return Err(after_failed(Some(held)));
        }
        let by = SentBy { frames: &self.frames, turns: &self.turns };
        let sending = messages::send(&self.app, &self.access, receiver, frame, by).await;
        sending.inspect_err(|error| self.note(Some(towards), id, error))
    }

    /// Remembers a message that failed for now before it came to a mailbox or lane.
    fn note(&self, towards: Option<Towards>, id: Option<MessageId>, error: &Error) {
        if let Some(id) = id.filter(|_| error.details.retry_after.is_some()) {
            self.turns.fail(towards, id);
        }
    }

    /// A `read` is told `noted` once it is durable; reading goes on meanwhile.
    fn read(&self, frame: StatusFrame) {
        let (app, access, frames) = (self.app.clone(), self.access.clone(), self.frames.clone());
        self.app.tasks.spawn(async move {
            let id = frame.message_ids.first().copied();
            let noted = statuses::read(&app, &access, frame).await;
            let answer = noted.unwrap_or_else(|error| ServerFrame::Error(failure(error, id)));
            frames.answer(Outgoing::Answer(Box::new(answer)));
        });
    }
}
