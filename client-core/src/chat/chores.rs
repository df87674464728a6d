//! What the owner of an account does beside the socket, one thing after the other: publishing keys, encrypting again,
//! and what other processes have handed over.

use std::{collections::HashSet, sync::Arc, time::Duration};

use missive_wire::{Address, Code};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    again::Again,
    event::Event,
    handed::{Handed, Outcome},
    live::is_over,
};
use crate::{Error, SignalError, StorageError, account::keys, client::Inner, storage::Batch};

/// How often the storage is asked whether another process has left something.
const LOOK: Duration = Duration::from_millis(150);

/// How often keys are looked after while a connection lasts.
const KEYS: Duration = Duration::from_hours(1);

/// How often what could not be encrypted again is tried again.
const RETRY: Duration = Duration::from_mins(1);

/// Does what comes up, until it is dropped: every step is one commit, so that it may be dropped anywhere.
pub(super) async fn run(inner: Arc<Inner>, events: mpsc::Sender<Event>) {
    let now = Instant::now();
    let mut chores = Chores { inner, events, version: None, told: HashSet::new(), keys_at: now + KEYS, again_at: now };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = chores.inner.chores.notified() => chores.again_at = Instant::now(),
            _ = look.tick() => {}
        }
        if let Err(error) = chores.turn().await {
            tracing::warn!(%error, "a chore failed, and is tried again");
        }
    }
}

struct Chores {
    inner: Arc<Inner>,
    events: mpsc::Sender<Event>,
    /// The storage as it was when all that it had was done.
    version: Option<i64>,
    /// Whose changed key has been told.
    told: HashSet<Address>,
    keys_at: Instant,
    again_at: Instant,
}

impl Chores {
    async fn turn(&mut self) -> Result<(), Error> {
        let version = self.inner.account.storage.data_version().await?;
        if self.version != Some(version) {
            self.handed().await?;
            self.version = Some(version);
            // It may have marked messages as read.
            self.inner.account.work.notify_one();
        }
        let now = Instant::now();
        if now >= self.again_at {
            self.again_at = now + RETRY;
            self.again().await?;
        }
        if self.inner.keys_low() || now >= self.keys_at {
            self.keys_at = now + RETRY;
            keys::reconcile(&self.inner.account.session, &self.inner.mailbox).await?;
            self.keys_at = now + KEYS;
        }
        Ok(())
    }

    async fn handed(&self) -> Result<(), Error> {
        let storage = &self.inner.account.storage;
        for handed in Handed::undone(storage, self.inner.mailbox.now()).await? {
            let Err(error) = self.inner.compose(&handed.to, &handed.text, Some(&handed)).await else { continue };
            let mut batch = Batch::default();
            handed.finish(&mut batch, &Outcome::of(&error))?;
            match storage.commit(batch).await {
                // Whoever asked may have taken it back.
                Ok(()) | Err(StorageError::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn again(&mut self) -> Result<(), Error> {
        // The order of a receiver's messages is kept: behind one that must wait, the others do.
        let mut waiting = HashSet::new();
        for again in self.inner.mailbox.to_encrypt_again().await? {
            if waiting.contains(&again.to) {
                continue;
            }
            if is_over(again.since, self.inner.mailbox.now()) {
                self.give_up(&again, Code::Expired).await?;
                continue;
            }
            match self.encrypt(&again).await {
                Ok(()) => {
                    self.told.remove(&again.to);
                    self.inner.account.work.notify_one();
                }
                Err(Error::Signal(SignalError::IdentityChanged(address))) => {
                    waiting.insert(again.to);
                    if self.told.insert(address.clone()) {
                        let _ = self.events.send(Event::IdentityChanged(address)).await;
                    }
                }
                Err(error) => match verdict(&error) {
                    Some(code) => self.give_up(&again, code).await?,
                    // Nobody can be reached.
                    None if matches!(error, Error::Unreachable(_) | Error::Storage(_)) => return Ok(()),
                    None => {
                        tracing::debug!(%error, "a message could not be encrypted again");
                        waiting.insert(again.to);
                    }
                },
            }
        }
        Ok(())
    }

    async fn encrypt(&self, again: &Again) -> Result<(), Error> {
        let Inner { account, mailbox, .. } = &*self.inner;
        match mailbox.encrypt_again(again).await {
            Err(Error::Signal(SignalError::NoSession(_))) => {
                keys::claim(&account.session, mailbox, &again.to).await?;
                mailbox.encrypt_again(again).await
            }
            result => result,
        }
    }

    async fn give_up(&self, again: &Again, code: Code) -> Result<(), Error> {
        if let Some(change) = self.inner.mailbox.give_up(again, code).await? {
            let _ = self.events.send(Event::Status(change)).await;
        }
        Ok(())
    }
}

/// Why a message never will be encrypted again; `None` if it may be later.
fn verdict(error: &Error) -> Option<Code> {
    match error {
        Error::UnknownReceiver(_) => Some(Code::ReceiverGone),
        Error::Signal(SignalError::BadBundle { .. }) => Some(Code::Undecryptable),
        Error::TooLarge => Some(Code::TooLarge),
        Error::Blocked(_) => Some(Code::Refused),
        Error::Refused { code, .. } => Some(*code),
        _ => None,
    }
}
