//! Work that another process has handed over: the owner of the keys encrypts what a second command was asked to send.

use missive_wire::{Address, MessageId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error, SignalError,
    storage::{Batch, Storage, Table},
};

/// A text to send, and what came of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handed {
    pub(crate) id: Uuid,
    pub(crate) to: Address,
    pub(crate) text: String,
    /// Whether a changed identity key is accepted first.
    pub(crate) accept_identity: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Composed(MessageId),
    OwnAddress,
    TooLarge,
    Blocked,
    UnknownReceiver,
    IdentityChanged,
    Unreachable(String),
    Failed(String),
}

impl Handed {
    pub(crate) fn new(to: &Address, text: &str, accept_identity: bool) -> Self {
        Self { id: Uuid::now_v7(), to: to.clone(), text: text.to_owned(), accept_identity, outcome: None }
    }

    /// Puts it where the owner finds it. Forgotten after a day, whoever comes to ask for its outcome.
    pub(crate) fn save(&self, batch: &mut Batch, day: i64) -> Result<(), Error> {
        Ok(batch.put_on(Table::Handed, self.id.as_bytes(), day, self)?)
    }

    pub(crate) async fn load(storage: &Storage, id: Uuid) -> Result<Option<Self>, Error> {
        Ok(storage.get(Table::Handed, id.as_bytes()).await?)
    }

    pub(crate) fn delete(batch: &mut Batch, id: Uuid) {
        batch.delete(Table::Handed, id.as_bytes());
    }

    /// What nobody has done yet, oldest first.
    pub(crate) async fn undone(storage: &Storage) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = storage.list_all(Table::Handed).await?;
        all.retain(|handed| handed.outcome.is_none());
        Ok(all)
    }
}

impl Outcome {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::OwnAddress => Self::OwnAddress,
            Error::TooLarge => Self::TooLarge,
            Error::Blocked(_) => Self::Blocked,
            Error::UnknownReceiver(_) => Self::UnknownReceiver,
            Error::Signal(SignalError::IdentityChanged(_)) => Self::IdentityChanged,
            Error::Unreachable(reason) => Self::Unreachable(reason.clone()),
            error => Self::Failed(error.to_string()),
        }
    }

    /// As the one who handed the work over would have met it.
    pub(crate) fn into_result(self, to: &Address) -> Result<MessageId, Error> {
        Err(match self {
            Self::Composed(id) => return Ok(id),
            Self::OwnAddress => Error::OwnAddress,
            Self::TooLarge => Error::TooLarge,
            Self::Blocked => Error::Blocked(to.clone()),
            Self::UnknownReceiver => Error::UnknownReceiver(to.clone()),
            Self::IdentityChanged => SignalError::IdentityChanged(to.clone()).into(),
            Self::Unreachable(reason) => Error::Unreachable(reason),
            Self::Failed(reason) => Error::OwnerFailed(reason),
        })
    }
}
