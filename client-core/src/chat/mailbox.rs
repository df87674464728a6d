//! The local half of chat: no network, one owner, every step one commit.

use std::sync::Arc;

use missive_wire::{Address, ClaimedBundle, Code, Delivered, KeyUpload, MessageId, StatusUpdate, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    again::{self, Again},
    handed::{Handed, Outcome},
    inbox::{self, Received},
    message::{StatusChange, StoredMessage},
    outbox::{self, Outgoing},
    status::{self, Applied, Failed},
};
use crate::{
    Clock, Error, SafetyNumber, SignalError, StorageError,
    clock::day,
    signal::{NewIdentity, Signal},
    storage::{Batch, Storage, Table},
};

/// An account's keys, sessions, messages and outbox.
///
/// Its calls take turns: each loads what it needs, works on a copy and commits ratchet and message together. A failed
/// call has changed nothing.
pub struct Mailbox {
    pub(super) storage: Arc<Storage>,
    pub(super) own: Address,
    pub(super) clock: Clock,
    /// Whoever holds it is the one owner of the cryptographic state.
    signal: Mutex<Option<Signal>>,
    /// Whoever holds it looks after the published keys.
    publishing: Mutex<()>,
}

/// How often whole sets of keys were made, and on which day.
const RENEWALS: &[u8] = b"renewals";
const RENEWALS_A_DAY: u32 = 4;

/// Holding it, one is the owner of the cryptographic state.
pub(super) struct Owner<'a>(MutexGuard<'a, Option<Signal>>);

impl Owner<'_> {
    pub(super) fn signal(&self) -> Result<&Signal, SignalError> {
        self.0.as_ref().ok_or(SignalError::NotInstalled)
    }
}

impl Mailbox {
    /// Opens the mailbox of `own` in its namespace. Fails with [`StorageError::NotOwner`] beside another process.
    pub async fn open(storage: Arc<Storage>, own: Address, clock: Clock) -> Result<Self, Error> {
        if !storage.is_owner() {
            return Err(StorageError::NotOwner.into());
        }
        let signal = Signal::load(storage.clone(), clock.clone()).await?;
        Ok(Self { storage, own, clock, signal: Mutex::new(signal), publishing: Mutex::new(()) })
    }

    /// Whose mailbox it is.
    pub fn own(&self) -> &Address {
        &self.own
    }

    /// Makes this device's keys, in the place of any that were there; [`Mailbox::pending_upload`] then has them.
    pub async fn install(&self) -> Result<(), Error> {
        let new = self.generate()?;
        self.replace(new, false).await
    }

    /// Public keys that were made and perhaps not published: publishing the same again does no harm.
    pub async fn pending_upload(&self) -> Result<Option<KeyUpload>, Error> {
        Ok(self.owner().await?.signal()?.pending_upload().await?)
    }

    /// Notes that the pending keys have been published.
    pub async fn upload_done(&self) -> Result<(), Error> {
        Ok(self.owner().await?.signal()?.upload_done().await?)
    }

    /// Builds sessions from a claimed bundle.
    pub async fn learn_bundle(&self, address: &Address, bundle: &ClaimedBundle) -> Result<(), Error> {
        let owner = self.owner().await?;
        let mut batch = Batch::default();
        let learnt = owner.signal()?.learn_bundle(&mut batch, address, bundle).await;
        match learnt {
            // A changed key is in the batch: it waits for acceptance.
            Ok(()) | Err(SignalError::IdentityChanged(_)) => self.storage.commit(batch).await?,
            Err(_) => {}
        }
        Ok(learnt?)
    }

    /// Trusts the changed identity key that this safety number is about. Says whether there was one. Fails with
    /// [`Error::OtherIdentity`] if that is not the newest key any more.
    pub async fn accept_identity(&self, number: &SafetyNumber) -> Result<bool, Error> {
        let accepted = self.owner().await?.signal()?.accept_identity(number).await?;
        accepted.ok_or_else(|| Error::OtherIdentity(number.with().clone()))
    }

    /// Forgets a changed identity key that waits for acceptance. Says whether there was one.
    pub async fn reject_identity(&self, address: &Address) -> Result<bool, Error> {
        Ok(self.owner().await?.signal()?.reject_identity(address).await?)
    }

    /// Encrypts a text and puts it into the outbox. Fails with [`SignalError::NoSession`] when the receiver's bundle must
    /// be learnt first.
    pub async fn compose(&self, to: &Address, text: &str) -> Result<MessageId, Error> {
        outbox::compose(self, &self.owner().await?, to, text, |_, _| Ok(())).await
    }

    /// As [`Mailbox::compose`], for another process: in the same commit, it learns which message that was.
    pub(crate) async fn compose_handed(&self, handed: &Handed) -> Result<MessageId, Error> {
        let owner = self.owner().await?;
        let note = |batch: &mut Batch, id| handed.finish(batch, &Outcome::Composed(id));
        outbox::compose(self, &owner, &handed.to, &handed.text, note).await
    }

    /// Messages that wait to be encrypted again, oldest first.
    pub async fn to_encrypt_again(&self) -> Result<Vec<Again>, Error> {
        Ok(self.storage.list_all(Table::Again).await?)
    }

    /// Encrypts a message again and puts it into the outbox. Fails with [`SignalError::NoSession`] when the receiver's
    /// bundle must be learnt first.
    pub async fn encrypt_again(&self, again: &Again) -> Result<(), Error> {
        again::encrypt(self, &self.owner().await?, again).await
    }

    /// Gives up a message that waits to be encrypted again.
    pub async fn give_up(&self, again: &Again, code: Code) -> Result<Option<StatusChange>, Error> {
        let _owner = self.owner().await?;
        again::give_up(self, again, code).await
    }

    /// Takes a message in: decrypts it and stores it with the state that it leaves behind, in one commit. Afterwards, and
    /// only then, it may be acknowledged.
    pub async fn receive(&self, delivered: &Delivered) -> Result<Received, Error> {
        inbox::receive(self, &self.owner().await?, delivered).await
    }

    /// Takes a status update in. Afterwards, and only then, it may be acknowledged.
    pub async fn apply_status(&self, update: &StatusUpdate) -> Result<Applied, Error> {
        status::apply(self, &self.owner().await?, update).await
    }

    /// Notes that a message will never be taken by the homeserver in this form.
    pub async fn fail(&self, id: MessageId, code: Code) -> Result<Failed, Error> {
        status::fail(self, &self.owner().await?, id, code).await
    }

    /// Ciphertexts that nobody has acknowledged, after a position, in order.
    pub async fn outbox(&self, after: i64, limit: u32) -> Result<Vec<(i64, Outgoing)>, Error> {
        Ok(self.storage.list_after(Table::Outbox, after, limit).await?)
    }

    /// The newest messages with an account, oldest first.
    pub async fn history(&self, peer: &Address, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        history(&self.storage, peer, limit).await
    }

    /// Lets go of a ciphertext that is too old to be sent again; the message stays as it is.
    pub(crate) async fn let_go(&self, id: MessageId) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.delete(Table::Outbox, id.as_bytes());
        Ok(self.storage.commit(batch).await?)
    }

    /// Our public identity key; `None` before the keys are installed.
    pub(crate) async fn identity_key(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.owner().await?.0.as_ref().map(Signal::identity_key))
    }

    pub(crate) async fn digest(&self) -> Result<[u8; 32], Error> {
        Ok(self.owner().await?.signal()?.digest().await?)
    }

    /// Held by whoever compares and publishes keys.
    pub(crate) async fn publishing(&self) -> MutexGuard<'_, ()> {
        self.publishing.lock().await
    }

    /// Makes new lasting keys where the present ones are old. Says whether it did.
    pub(crate) async fn rotate(&self) -> Result<bool, Error> {
        Ok(self.owner().await?.signal()?.rotate().await?)
    }

    /// Keeps a new identity aside until the homeserver has taken it.
    pub(crate) async fn set_aside(&self, new: &NewIdentity) -> Result<(), Error> {
        Ok(Signal::set_aside(&self.storage, new).await?)
    }

    /// The identity that was set aside.
    pub(crate) async fn aside(&self) -> Result<Option<NewIdentity>, Error> {
        Ok(Signal::aside(&self.storage).await?)
    }

    /// Takes up the identity that was set aside, if that is the published one.
    pub(crate) async fn take_up(&self, published: &[u8]) -> Result<bool, Error> {
        let mut owner = self.owner().await?;
        // Read anew by whoever comes next, wherever this ends.
        *owner.0 = None;
        Ok(Signal::take_up(&self.storage, published).await?)
    }

    /// The safety number with an account, of its newest identity key, accepted or not; `None` where none is known.
    pub async fn safety_number(&self, with: &Address) -> Result<Option<SafetyNumber>, Error> {
        Ok(self.owner().await?.signal()?.safety_number(&self.own, with).await?)
    }

    pub(crate) async fn top_up(&self, ec: u32, kyber: u32) -> Result<(), Error> {
        Ok(self.owner().await?.signal()?.top_up(ec, kyber).await?)
    }

    /// Whether a whole new set of keys may be made once more today: a homeserver that keeps none would have them made for
    /// ever.
    pub(crate) async fn may_renew(&self) -> Result<bool, Error> {
        let today = day(self.now());
        let (at, count) = self.storage.get::<(i64, u32)>(Table::Meta, RENEWALS).await?.unwrap_or_default();
        let count = if at == today { count + 1 } else { 1 };
        let mut batch = Batch::default();
        batch.put(Table::Meta, RENEWALS, &(today, count))?;
        self.storage.commit(batch).await?;
        Ok(count <= RENEWALS_A_DAY)
    }

    pub(crate) async fn renew(&self, highest: u32) -> Result<(), Error> {
        Ok(self.owner().await?.signal()?.renew(highest).await?)
    }

    pub(crate) fn generate(&self) -> Result<NewIdentity, Error> {
        Ok(Signal::generate(&self.clock)?)
    }

    /// Stores a new identity in the place of the old one.
    pub(crate) async fn replace(&self, new: NewIdentity, published: bool) -> Result<(), Error> {
        let mut owner = self.owner().await?;
        *owner.0 = None;
        Ok(Signal::install(&self.storage, new, published).await?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.timestamp()
    }

    pub(super) async fn owner(&self) -> Result<Owner<'_>, Error> {
        let mut signal = self.signal.lock().await;
        if signal.is_none() {
            *signal = Signal::load(self.storage.clone(), self.clock.clone()).await?;
        }
        Ok(Owner(signal))
    }
}

/// The newest messages with an account, oldest first.
pub(crate) async fn history(storage: &Storage, peer: &Address, limit: u32) -> Result<Vec<StoredMessage>, Error> {
    let page = storage.list_before(Table::Message, peer, i64::MAX, limit).await?;
    Ok(page.into_iter().map(|(_, message)| message).collect())
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").field("own", &self.own).finish_non_exhaustive()
    }
}
