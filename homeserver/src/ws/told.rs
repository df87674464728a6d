//! What a client is told of its messages and frames.

use missive_wire::{Address, Code, MessageId, ServerError, ServerFrame, State, StatusUpdate};

use crate::{
    error::Error,
    hub::{Held, Outcome},
};

/// Seconds after which a sender may try again …
const SOON: u64 = 2;
/// … what failed for lack of room.
const LATER: u64 = 60;

/// What the sender of messages to `receiver` is told of them; several only of what was taken.
pub(super) fn told(ids: Vec<MessageId>, receiver: &Address, outcome: Outcome) -> Vec<ServerFrame> {
    let error = match outcome {
        Outcome::Received => return vec![status(ids, State::Received, receiver)],
        Outcome::Stored => return vec![status(ids, State::Sent, receiver)],
        // The status is stored: the sender's mailbox tells it.
        Outcome::Settled => return Vec::new(),
        Outcome::Gone => Error::new(Code::ReceiverGone, format!("{receiver} can no longer receive messages")),
        Outcome::Full => Error::temporary(
            Code::QuotaExceeded,
            format!("too much waits for {receiver} already; send it again later"),
            LATER,
        ),
        Outcome::AfterFailed => after_failed(None),
        Outcome::Failed => {
            Error::temporary(Code::Unavailable, "the server could not store the message; send it again", SOON)
        }
    };
    let error = failure(error, None);
    ids.into_iter().map(|id| ServerFrame::Error(ServerError { id: Some(id), ..error.clone() })).collect()
}

fn status(mut ids: Vec<MessageId>, state: State, receiver: &Address) -> ServerFrame {
    let message_id = if ids.len() == 1 { ids.pop() } else { None };
    ServerFrame::Status(StatusUpdate { message_id, message_ids: ids, state, sender: receiver.clone(), code: None })
}

/// A message whose turn has not come: an earlier one to the same receiver failed for now.
pub(super) fn after_failed(held: Option<Held>) -> Error {
    let message = match held {
        Some(Held::By(first)) => format!("message {first} to the same receiver failed for now: send that one first"),
        Some(Held::ByMany) => "too many messages failed for now: send those first".into(),
        None => "an earlier message to the same receiver failed for now: send that one first".into(),
    };
    Error::temporary(Code::AfterFailed, message, SOON)
}

/// A failure, of the frame with that id.
pub(super) fn failure(error: Error, id: Option<MessageId>) -> ServerError {
    if error.source.is_some() {
        tracing::error!(%error, "a frame failed");
    }
    ServerError { error: error.message, code: error.code, id, details: *error.details }
}
