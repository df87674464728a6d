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
use crate::{Error, SignalError, account::keys, client::Inner, clock::day, storage::Batch};

/// How often the storage is asked whether another process has left something.
const LOOK: Duration = Duration::from_millis(150);

/// How often keys are looked after while a connection lasts.
const KEYS: Duration = Duration::from_hours(1);

/// How often what could not be encrypted again is tried again.
const RETRY: Duration = Duration::from_mins(1);

/// Does what comes up, until it is dropped: every step is one commit, so that it may be dropped anywhere.
pub(super) async fn run(inner: Arc<Inner>, events: mpsc::Sender<Event>) {
    let mut chores = Chores { inner, events, version: None, told: HashSet::new() };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keys_at = Instant::now() + KEYS;
    let mut again_at = Instant::now();
    loop {
        let due = tokio::select! {
            () = chores.inner.chores.notified() => true,
            _ = look.tick() => false,
        };
        let now = Instant::now();
        let keys_due = chores.inner.keys_low() || now >= keys_at;
        if keys_due {
            keys_at = now + KEYS;
        }
        let again_due = due || now >= again_at;
        if again_due {
            again_at = now + RETRY;
        }
        if let Err(error) = chores.turn(keys_due, again_due).await {
            tracing::warn!(%error, "a chore failed, and is tried again");
        }
    }
}

struct Chores {
    inner: Arc<Inner>,
    events: mpsc::Sender<Event>,
    /// The storage as it was when it was last looked at.
    version: Option<i64>,
    /// Whose changed key has been told.
    told: HashSet<Address>,
}

impl Chores {
    async fn turn(&mut self, keys_due: bool, again_due: bool) -> Result<(), Error> {
        let version = self.inner.account.storage.data_version().await?;
        if self.version.replace(version) != Some(version) {
            self.handed().await?;
            // It may have marked messages as read, or accepted a key.
            self.inner.account.work.notify_one();
        }
        if again_due {
            self.again().await?;
        }
        if keys_due {
            keys::reconcile(&self.inner.account.session, &self.inner.mailbox).await?;
        }
        Ok(())
    }

    async fn handed(&self) -> Result<(), Error> {
        for handed in Handed::undone(&self.inner.account.storage).await? {
            if let Err(error) = self.inner.compose(&handed.to, &handed.text, Some(&handed)).await {
                let mut batch = Batch::default();
                let outcome = Some(Outcome::of(&error));
                Handed { outcome, ..handed }.save(&mut batch, day(self.inner.mailbox.now()))?;
                self.inner.account.storage.commit(batch).await?;
            }
        }
        Ok(())
    }

    async fn again(&mut self) -> Result<(), Error> {
        for again in self.inner.mailbox.to_encrypt_again().await? {
            if is_over(again.since, self.inner.mailbox.now()) {
                self.give_up(&again, Code::Expired).await?;
                continue;
            }
            match self.encrypt(&again).await {
                Ok(()) => self.inner.account.work.notify_one(),
                Err(Error::Signal(SignalError::IdentityChanged(address))) => {
                    if self.told.insert(address.clone()) {
                        let _ = self.events.send(Event::IdentityChanged(address)).await;
                    }
                }
                Err(Error::UnknownReceiver(_)) => self.give_up(&again, Code::ReceiverGone).await?,
                Err(Error::Signal(SignalError::BadBundle { .. })) => self.give_up(&again, Code::Undecryptable).await?,
                Err(Error::TooLarge) => self.give_up(&again, Code::TooLarge).await?,
                // Later, when the homeserver can be reached.
                Err(error) => {
                    tracing::debug!(%error, "a message could not be encrypted again");
                    return Ok(());
                }
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
