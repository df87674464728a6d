//! The facade: an account on this computer.

use std::{path::PathBuf, sync::Arc, time::Duration};

use missive_wire::{Address, DeviceId, MessageId};
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::{
    Clock, Connection, Credentials, Error, Mailbox, Namespace, Reconnect, Registration, SignalError, Storage,
    StoredMessage, Unlock,
    account::{self, NewSession, Rest, Session, keys},
};

/// Where a client keeps its accounts, and what opens them.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that holds a directory for every account.
    pub home: PathBuf,
    /// What opens the account's storage.
    pub unlock: Unlock,
    /// How long to wait for another process that has the account open.
    pub patience: Duration,
    /// Where the time is read.
    pub clock: Clock,
}

impl Options {
    /// Options with the system's clock and a patience of ten seconds.
    pub fn new(home: impl Into<PathBuf>, unlock: Unlock) -> Self {
        Self { home: home.into(), unlock, patience: Duration::from_secs(10), clock: Clock::system() }
    }

    fn namespace<'a>(&'a self, address: &'a Address) -> Namespace<'a> {
        Namespace { home: &self.home, address, unlock: &self.unlock, patience: self.patience }
    }
}

/// An account: its log-in, its keys, its messages. Cheap to clone; as long as one lives, the account's storage is locked.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) session: Session,
    pub(crate) mailbox: Mailbox,
    /// Rung when there is something to send.
    pub(crate) work: Notify,
}

impl Client {
    /// Registers an account, makes its keys and publishes them.
    pub async fn register(options: &Options, server: &str, registration: &Registration) -> Result<Self, Error> {
        let rest = Rest::new(server)?;
        let session = account::register(&rest, registration).await?;
        let client = Self::keep(options, rest, session).await?;
        // Whatever was here under that address before belonged to another account.
        client.inner.mailbox.install().await?;
        client.check_keys().await?;
        Ok(client)
    }

    /// Logs in. Afterwards [`Client::check_keys`] tells whether this computer holds the account's keys.
    pub async fn login(options: &Options, server: &str, credentials: &Credentials) -> Result<Self, Error> {
        let rest = Rest::new(server)?;
        let session = account::log_in(&rest, credentials).await?;
        Self::keep(options, rest, session).await
    }

    /// Opens an account that has been registered, or logged in, here before. Asks nothing of the network.
    pub async fn open(options: &Options, address: &Address) -> Result<Self, Error> {
        let storage = Arc::new(Storage::open(&options.namespace(address)).await?);
        let session = Session::load(storage.clone(), options.clock.clone()).await?;
        Self::assemble(storage, session, options.clock.clone()).await
    }

    /// Compares the published keys with those of this computer, and publishes what is missing. Fails with
    /// [`Error::IdentityReplaced`] when the account's keys are elsewhere, or lost: see [`Client::start_over`].
    pub async fn check_keys(&self) -> Result<(), Error> {
        keys::reconcile(&self.inner.session, &self.inner.mailbox).await
    }

    /// Makes new keys in the place of lost ones. Every other device, session and undelivered message of the account
    /// goes; contacts see that the identity key has changed.
    pub async fn start_over(&self, password: &SecretString, totp: Option<String>) -> Result<(), Error> {
        keys::start_over(&self.inner.session, &self.inner.mailbox, password, totp).await?;
        self.check_keys().await
    }

    /// Connects: see [`Connection`]. With [`Reconnect::Never`] a first attempt that fails is the error; otherwise it is an
    /// event, and tried again.
    pub async fn connect(&self, reconnect: Reconnect) -> Result<Connection, Error> {
        Connection::open(self.inner.clone(), reconnect).await
    }

    /// Encrypts a text and keeps it until the receiver has it. It is sent at once over an open [`Connection`], else
    /// over the next one; what becomes of it comes as [`Event::Status`](crate::Event::Status).
    pub async fn send(&self, to: &Address, text: &str) -> Result<MessageId, Error> {
        let Inner { session, mailbox, work } = &*self.inner;
        let id = match mailbox.compose(to, text).await {
            Err(Error::Signal(SignalError::NoSession(_))) => {
                keys::claim(session, mailbox, to).await?;
                mailbox.compose(to, text).await?
            }
            result => result?,
        };
        work.notify_one();
        Ok(id)
    }

    /// Trusts the changed identity key of a contact, whose safety number should have been compared. Says whether
    /// there was a change to accept.
    pub async fn accept_identity(&self, address: &Address) -> Result<bool, Error> {
        self.inner.mailbox.accept_identity(address).await
    }

    /// Tells the senders of received messages that these have been shown.
    pub async fn mark_read(&self, messages: &[&StoredMessage]) -> Result<(), Error> {
        self.inner.mailbox.mark_read(messages).await?;
        self.inner.work.notify_one();
        Ok(())
    }

    /// The newest messages with an account, oldest first.
    pub async fn history(&self, with: &Address, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        self.inner.mailbox.history(with, limit).await
    }

    /// Ends the log-in, here and on the homeserver. Keys and messages stay.
    pub async fn logout(&self) -> Result<(), Error> {
        self.inner.session.log_out().await
    }

    /// The account's address.
    pub fn address(&self) -> &Address {
        self.inner.mailbox.own()
    }

    /// The homeserver's URL.
    pub fn server(&self) -> &str {
        &self.inner.session.profile.server
    }

    /// This device of the account.
    pub fn device(&self) -> DeviceId {
        self.inner.session.profile.device
    }

    async fn keep(options: &Options, rest: Rest, session: NewSession) -> Result<Self, Error> {
        let address = session.profile.address.clone();
        let storage = Arc::new(Storage::create(&options.namespace(&address)).await?);
        let session = session.keep(rest, storage.clone(), options.clock.clone()).await?;
        Self::assemble(storage, session, options.clock.clone()).await
    }

    async fn assemble(storage: Arc<Storage>, session: Session, clock: Clock) -> Result<Self, Error> {
        let mailbox = Mailbox::open(storage, session.profile.address.clone(), clock).await?;
        Ok(Self { inner: Arc::new(Inner { session, mailbox, work: Notify::new() }) })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", self.address()).finish_non_exhaustive()
    }
}

/// Reads a conversation beside whatever process has the account open.
pub async fn read_history(
    options: &Options,
    address: &Address,
    with: &Address,
    limit: u32,
) -> Result<Vec<StoredMessage>, Error> {
    let storage = Arc::new(Storage::read(&options.namespace(address)).await?);
    Mailbox::open(storage, address.clone(), options.clock.clone()).await?.history(with, limit).await
}
