//! What may be done with an account beside the process that owns its keys.

use std::{sync::Arc, time::Duration};

use missive_wire::{Address, DeviceId, FoundAccounts, KeyCount, MessageId};
use reqwest::Method;
use tokio::{sync::Notify, time::Instant};

use super::Options;
use crate::{
    Clock, Contact, Conversation, Error, Namespace, SafetyNumber, SignalError, Storage, StorageError, StoredMessage,
    account::Session,
    chat::{conversations, handed::Handed, mailbox, reads, sent_key},
    contacts,
    signal::Signal,
    storage::{Batch, Table},
};

/// How often the outcome of what was handed over is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How often it is looked whether the owner still lives.
const LOOKS_A_CHECK: u32 = 10;

/// An account's messages and contacts, and its homeserver, whoever owns its keys: several processes may use it at once.
/// Cheap to clone.
#[derive(Clone)]
pub struct Account {
    pub(crate) storage: Arc<Storage>,
    pub(crate) session: Arc<Session>,
    /// Rung when there is something to send.
    pub(crate) work: Arc<Notify>,
    clock: Clock,
    namespace: Namespace,
}

impl Account {
    /// Opens an account that has been registered, or logged in, here before. Asks nothing of the network, and waits for
    /// nobody.
    pub async fn open(options: &Options, address: &Address) -> Result<Self, Error> {
        Self::open_at(options, Namespace::find(&options.home, address, &options.unlock).await?).await
    }

    /// As [`Account::open`], where the account has been found already.
    pub async fn open_at(options: &Options, namespace: Namespace) -> Result<Self, Error> {
        let storage = Arc::new(Storage::beside(&namespace).await?);
        Self::load(namespace, storage, options.clock.clone()).await
    }

    pub(super) async fn load(namespace: Namespace, storage: Arc<Storage>, clock: Clock) -> Result<Self, Error> {
        let session = Session::load(storage.clone(), clock.clone()).await?;
        Ok(Self::with(namespace, storage, session, clock))
    }

    pub(super) fn with(namespace: Namespace, storage: Arc<Storage>, session: Session, clock: Clock) -> Self {
        Self { storage, session: Arc::new(session), work: Arc::default(), clock, namespace }
    }

    /// The account's address.
    pub fn address(&self) -> &Address {
        &self.session.profile.address
    }

    /// The homeserver's URL.
    pub fn server(&self) -> &str {
        &self.session.profile.server
    }

    /// This device of the account.
    pub fn device(&self) -> DeviceId {
        self.session.profile.device
    }

    /// Whether there is a log-in, which the homeserver may have ended.
    pub async fn is_logged_in(&self) -> bool {
        self.session.is_logged_in().await
    }

    /// Ends the log-in, here and on the homeserver; with `everywhere`, every log-in of the account. Keys and messages
    /// stay. Whoever has the account open loses its connection.
    pub async fn logout(&self, everywhere: bool) -> Result<(), Error> {
        self.session.log_out(everywhere).await
    }

    /// Asks the homeserver whether it lives, as nobody in particular: how long its answer took.
    pub async fn reach(&self) -> Result<Duration, Error> {
        self.session.reach().await
    }

    /// This account's public identity key, serialized; `None` before its keys are made.
    pub async fn identity_key(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.signal().await?.map(|signal| signal.identity_key()))
    }

    /// The safety number with an account, to be compared with what they see. Fails with [`Error::UnknownIdentity`] where
    /// their key is not known here: [`Client::safety_number`](crate::Client::safety_number) asks for it.
    pub async fn safety_number(&self, with: &Address) -> Result<SafetyNumber, Error> {
        let signal = self.signal().await?.ok_or(SignalError::NotInstalled)?;
        let number = signal.safety_number(self.address(), with).await?;
        number.ok_or_else(|| Error::UnknownIdentity(with.clone()))
    }

    /// Every conversation, the newest first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, Error> {
        conversations::list(&self.storage).await
    }

    /// The newest messages with an account, oldest first.
    pub async fn history(&self, with: &Address, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        mailbox::history(&self.storage, with, limit).await
    }

    /// A page of the messages with an account: the newest before a position (`None`: of all), oldest first, each with
    /// its position.
    pub async fn history_before(
        &self,
        with: &Address,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, StoredMessage)>, Error> {
        Ok(self.storage.list_before(Table::Message, with, before.unwrap_or(i64::MAX), limit).await?)
    }

    /// A page of the messages with an account: the oldest after a position, oldest first, each with its position.
    pub async fn history_after(
        &self,
        with: &Address,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, StoredMessage)>, Error> {
        Ok(self.storage.list_after_for(Table::Message, with, after, limit).await?)
    }

    /// The newest messages that were put aside because their sender was blocked, oldest first.
    pub async fn hidden(&self, from: &Address, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        let page = self.storage.list_before(Table::Hidden, from, i64::MAX, limit).await?;
        Ok(page.into_iter().map(|(_, message)| message).collect())
    }

    /// A sent message.
    pub async fn sent(&self, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        Ok(self.storage.get(Table::Message, &sent_key(id)).await?)
    }

    /// How many messages wait here to be taken, or to be acknowledged by their receivers.
    pub async fn outgoing(&self) -> Result<u64, Error> {
        Ok(self.storage.count(Table::Outbox).await? + self.storage.count(Table::Again).await?)
    }

    /// Received messages that nobody has been shown, after a position, oldest first, each with its position.
    pub async fn unread(&self, after: i64) -> Result<Vec<(i64, StoredMessage)>, Error> {
        conversations::unread(&self.storage, after).await
    }

    /// How many received messages nobody has been shown.
    pub async fn count_unread(&self) -> Result<u64, Error> {
        Ok(self.storage.count(Table::Unread).await?)
    }

    /// Notes that messages were shown: they are not unread any more.
    pub async fn mark_shown(&self, messages: &[&StoredMessage]) -> Result<(), Error> {
        let mut batch = Batch::default();
        conversations::mark_shown(&mut batch, messages);
        Ok(self.storage.commit(batch).await?)
    }

    /// As [`Account::mark_shown`], and tells their senders so: at once where a connection is open, else with the next.
    pub async fn mark_read(&self, messages: &[&StoredMessage]) -> Result<(), Error> {
        reads::mark_read(&self.storage, messages).await?;
        self.work.notify_one();
        Ok(())
    }

    /// Everyone of whom something is noted, in order of their addresses.
    pub async fn contacts(&self) -> Result<Vec<Contact>, Error> {
        contacts::list(&self.storage).await
    }

    /// What is noted of an account.
    pub async fn contact(&self, address: &Address) -> Result<Contact, Error> {
        contacts::contact(&self.storage, address).await
    }

    /// Notes that an account is a contact.
    pub async fn add_contact(&self, address: &Address) -> Result<(), Error> {
        contacts::add(&self.storage, address).await
    }

    /// Forgets what is noted of an account. A block ends with it.
    pub async fn remove_contact(&self, address: &Address) -> Result<(), Error> {
        contacts::remove(&self.storage, address).await
    }

    /// Gives an account a petname, or takes it away.
    pub async fn set_petname(&self, address: &Address, petname: Option<&str>) -> Result<(), Error> {
        contacts::set_petname(&self.storage, address, petname).await
    }

    /// Notes that a safety number was compared. Fails with [`Error::OtherIdentity`] if it is not about the key that is
    /// trusted now: a changed key is to be accepted first.
    pub async fn verify(&self, number: &SafetyNumber) -> Result<(), Error> {
        contacts::verify(&self.storage, number).await
    }

    /// Takes back that the safety number with an account was compared.
    pub async fn unverify(&self, address: &Address) -> Result<(), Error> {
        contacts::unverify(&self.storage, address).await
    }

    /// Puts an account's messages aside unseen from now on, or ends that.
    pub async fn set_blocked(&self, address: &Address, blocked: bool) -> Result<(), Error> {
        contacts::set_blocked(&self.storage, address, blocked).await
    }

    /// Searches for accounts: by the beginning of a name, or an exact address.
    pub async fn search(&self, text: &str) -> Result<FoundAccounts, Error> {
        self.session.query(&["users"], &[("search", text)]).await
    }

    /// What the homeserver has of this device's keys.
    pub async fn published_keys(&self) -> Result<KeyCount, Error> {
        let name = self.address().name.as_str();
        self.session.ask(Method::GET, &["users", name, "keys", "count"]).await
    }

    /// Has the process that owns the keys encrypt and send a text, and waits, until `deadline`, until it is encrypted.
    /// Fails with [`Error::OwnerGone`] when there is no owner any more, and with [`Error::NotTaken`] when the owner has
    /// not come to it in time: it is not sent then.
    pub async fn hand_over(
        &self,
        to: &Address,
        text: &str,
        accept_identity: bool,
        deadline: Instant,
    ) -> Result<MessageId, Error> {
        if self.storage.is_owner() {
            return Err(Error::OwnerGone);
        }
        let handed = Handed::new(to, text, accept_identity, self.clock.timestamp());
        let mut batch = Batch::default();
        handed.save(&mut batch)?;
        self.storage.commit(batch).await?;
        let mut failed = Error::NotTaken;
        let mut look = 1_u32;
        while Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
            if let Some(outcome) = handed.outcome(&self.storage).await? {
                return outcome.into_result(to);
            }
            if look.is_multiple_of(LOOKS_A_CHECK) && Storage::open(&self.namespace, Duration::ZERO).await.is_ok() {
                failed = Error::OwnerGone;
                break;
            }
            look += 1;
        }
        // Taken back in one step: if that is done, nobody has sent it, and nobody will.
        let mut batch = Batch::default();
        handed.withdraw(&mut batch);
        match self.storage.commit(batch).await {
            Ok(()) => Err(failed),
            Err(StorageError::Gone) => match handed.outcome(&self.storage).await? {
                Some(outcome) => outcome.into_result(to),
                None => Err(failed),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// To read with: only the owner changes what is there.
    async fn signal(&self) -> Result<Option<Signal>, Error> {
        Ok(Signal::load(self.storage.clone(), self.clock.clone()).await?)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("address", self.address()).finish_non_exhaustive()
    }
}
