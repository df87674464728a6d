//! Work that another process has handed over: the owner of the keys encrypts what a second command was asked to send.

use missive_wire::{Address, MessageId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error, SignalError,
    clock::day,
    storage::{Batch, Storage, Table},
};

const A_DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A text to send, as long as nobody has taken it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handed {
    pub(crate) id: Uuid,
    pub(crate) to: Address,
    pub(crate) text: String,
    /// Whether a changed identity key is accepted first.
    pub(crate) accept_identity: bool,
    at: Timestamp,
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
    pub(crate) fn new(to: &Address, text: &str, accept_identity: bool, at: Timestamp) -> Self {
        Self { id: Uuid::now_v7(), to: to.clone(), text: text.to_owned(), accept_identity, at }
    }

    /// Puts it where the owner finds it. Forgotten after a day.
    pub(crate) fn save(&self, batch: &mut Batch) -> Result<(), Error> {
        Ok(batch.put_on(Table::Handed, self.id.as_bytes(), day(self.at), self)?)
    }

    /// Takes it back. Commits nothing, [`StorageError::Gone`](crate::StorageError::Gone), if somebody has taken it.
    pub(crate) fn withdraw(&self, batch: &mut Batch) {
        batch.require(Table::Handed, self.id.as_bytes());
        batch.delete(Table::Handed, self.id.as_bytes());
    }

    /// It is done, in the same commit as what was done. Commits nothing if it was taken back meanwhile.
    pub(crate) fn finish(&self, batch: &mut Batch, outcome: &Outcome) -> Result<(), Error> {
        self.withdraw(batch);
        Ok(batch.put_on(Table::Outcome, self.id.as_bytes(), day(self.at), outcome)?)
    }

    /// What came of it, for the one who asked: told once.
    pub(crate) async fn outcome(&self, storage: &Storage) -> Result<Option<Outcome>, Error> {
        let outcome: Option<Outcome> = storage.get(Table::Outcome, self.id.as_bytes()).await?;
        if outcome.is_some() {
            let mut batch = Batch::default();
            batch.delete(Table::Outcome, self.id.as_bytes());
            storage.commit(batch).await?;
        }
        Ok(outcome)
    }

    /// Forgets what nobody has come for.
    pub(crate) fn forget_old(batch: &mut Batch, now: Timestamp) {
        batch.forget(Table::Handed, day(now) - 1);
        batch.forget(Table::Outcome, day(now) - 1);
    }

    /// What nobody has done yet, oldest first. What is a day old nobody waits for any more.
    pub(crate) async fn undone(storage: &Storage, now: Timestamp) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = storage.list_all(Table::Handed).await?;
        all.retain(|handed| (now.millis() - handed.at.millis()).abs() < A_DAY_MILLIS);
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
