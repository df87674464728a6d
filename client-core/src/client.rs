//! The facade: an account on this computer.

mod account;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use missive_wire::{Address, DeviceId, MessageId};
use secrecy::SecretString;
use tokio::sync::Notify;

pub use account::Account;

use crate::{
    Clock, Connection, Credentials, Error, Mailbox, Namespace, Reconnect, Registration, SafetyNumber, SignalError,
    Storage, Unlock,
    account::{self as authentication, NewSession, Rest, keys},
    chat::handed::Handed,
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
}

/// An account and its keys. Cheap to clone; as long as one lives, no other process can be the owner of the keys.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) account: Account,
    pub(crate) mailbox: Mailbox,
    /// Rung when there is something to do beside the socket.
    pub(crate) chores: Notify,
    /// Whether the homeserver has said that few one-time keys are left.
    low: AtomicBool,
}

impl Inner {
    /// The homeserver says that few one-time keys are left.
    pub(crate) fn keys_are_low(&self) {
        self.low.store(true, Ordering::Relaxed);
        self.chores.notify_one();
    }

    /// Whether it has said so since this was last asked.
    pub(crate) fn keys_low(&self) -> bool {
        self.low.swap(false, Ordering::Relaxed)
    }

    /// Encrypts a text and puts it into the outbox, claiming the receiver's keys first where that is needed; for
    /// another process, if it has handed it over.
    pub(crate) async fn compose(&self, to: &Address, text: &str, handed: Option<&Handed>) -> Result<MessageId, Error> {
        let compose = || async {
            match handed {
                Some(handed) => self.mailbox.compose_handed(handed).await,
                None => self.mailbox.compose(to, text).await,
            }
        };
        let claim_and_compose = || async {
            match compose().await {
                Err(Error::Signal(SignalError::NoSession(_))) => {
                    keys::claim(&self.account.session, &self.mailbox, to).await?;
                    compose().await
                }
                result => result,
            }
        };
        let id = match claim_and_compose().await {
            Err(Error::Signal(SignalError::IdentityChanged(_)))
                if handed.is_some_and(|handed| handed.accept_identity) =>
            {
                if let Some(number) = self.mailbox.safety_number(to).await? {
                    self.mailbox.accept_identity(&number).await?;
                }
                claim_and_compose().await?
            }
            result => result?,
        };
        self.account.work.notify_one();
        self.chores.notify_one();
        Ok(id)
    }
}

impl Client {
    /// Registers an account, makes its keys and publishes them.
    pub async fn register(options: &Options, server: &str, registration: &Registration) -> Result<Self, Error> {
        let rest = Rest::new(server)?;
        let session = authentication::register(&rest, registration).await?;
        let address = &session.profile.address;
        let namespace = Namespace::make_new(&options.home, address, &options.unlock).await?;
        let client = Self::keep(options, namespace, rest, session).await?;
        if client.inner.mailbox.identity_key().await?.is_some() {
            return Err(Error::AlreadyHere(client.address().clone()));
        }
        client.inner.mailbox.install().await?;
        client.check_keys().await?;
        Ok(client)
    }

    /// Logs in. Afterwards [`Client::check_keys`] tells whether this computer holds the account's keys.
    pub async fn login(options: &Options, server: &str, credentials: &Credentials) -> Result<Self, Error> {
        let rest = Rest::new(server)?;
        let session = authentication::log_in(&rest, credentials).await?;
        let namespace = Namespace::make(&options.home, &session.profile.address, &options.unlock).await?;
        Self::keep(options, namespace, rest, session).await
    }

    /// Opens an account that has been registered, or logged in, here before, as the owner of its keys. Asks nothing of
    /// the network. Fails with [`StorageError::Locked`](crate::StorageError::Locked) when another process is the owner
    /// for longer than the options' patience.
    pub async fn open(options: &Options, address: &Address) -> Result<Self, Error> {
        Self::open_at(options, Namespace::find(&options.home, address, &options.unlock).await?).await
    }

    /// As [`Client::open`], where the account has been found already.
    pub async fn open_at(options: &Options, namespace: Namespace) -> Result<Self, Error> {
        let storage = Arc::new(Storage::open(&namespace, options.patience).await?);
        let account = Account::load(namespace, storage, options.clock.clone()).await?;
        Self::assemble(account, options.clock.clone()).await
    }

    /// What needs no ownership of the keys: messages, contacts, searching.
    pub fn account(&self) -> &Account {
        &self.inner.account
    }

    /// Compares the published keys with those of this computer, and publishes what is missing. Fails with
    /// [`Error::IdentityReplaced`] when the account's keys are elsewhere, or lost: see [`Client::start_over`].
    pub async fn check_keys(&self) -> Result<(), Error> {
        keys::reconcile(&self.inner.account.session, &self.inner.mailbox).await
    }

    /// Makes new keys in the place of lost ones. Every other device, session and undelivered message of the account
    /// goes; contacts see that the identity key has changed.
    pub async fn start_over(&self, password: &SecretString, totp: Option<String>) -> Result<(), Error> {
        keys::start_over(&self.inner.account.session, &self.inner.mailbox, password, totp).await?;
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
        self.inner.compose(to, text, None).await
    }

    /// Trusts the changed identity key that this safety number is about; it should have been compared. Says whether there
    /// was a change to accept. Fails with [`Error::OtherIdentity`] if the key has changed once more since.
    pub async fn accept_identity(&self, number: &SafetyNumber) -> Result<bool, Error> {
        let accepted = self.inner.mailbox.accept_identity(number).await?;
        if accepted {
            // Messages may have waited for it.
            self.inner.chores.notify_one();
        }
        Ok(accepted)
    }

    /// Forgets a changed identity key that waits for acceptance: the one that was trusted before stays so. Says whether
    /// there was one.
    pub async fn reject_identity(&self, of: &Address) -> Result<bool, Error> {
        let rejected = self.inner.mailbox.reject_identity(of).await?;
        if rejected {
            self.inner.chores.notify_one();
        }
        Ok(rejected)
    }

    /// The safety number with an account, to be compared with what they see. Claims their keys where none are known.
    pub async fn safety_number(&self, with: &Address) -> Result<SafetyNumber, Error> {
        let Inner { account, mailbox, .. } = &*self.inner;
        if let Some(number) = mailbox.safety_number(with).await? {
            return Ok(number);
        }
        keys::claim(&account.session, mailbox, with).await?;
        mailbox.safety_number(with).await?.ok_or_else(|| Error::UnknownIdentity(with.clone()))
    }

    /// This account's public identity key, serialized; `None` before its keys are made.
    pub async fn identity_key(&self) -> Result<Option<Vec<u8>>, Error> {
        self.inner.mailbox.identity_key().await
    }

    /// The account's address.
    pub fn address(&self) -> &Address {
        self.inner.mailbox.own()
    }

    /// The homeserver's URL.
    pub fn server(&self) -> &str {
        self.inner.account.server()
    }

    /// This device of the account.
    pub fn device(&self) -> DeviceId {
        self.inner.account.device()
    }

    async fn keep(options: &Options, namespace: Namespace, rest: Rest, session: NewSession) -> Result<Self, Error> {
        let storage = Arc::new(Storage::open(&namespace, options.patience).await?);
        let session = session.keep(rest, storage.clone(), options.clock.clone()).await?;
        let account = Account::with(namespace, storage, session, options.clock.clone());
        Self::assemble(account, options.clock.clone()).await
    }

    async fn assemble(account: Account, clock: Clock) -> Result<Self, Error> {
        let mailbox = Mailbox::open(account.storage.clone(), account.address().clone(), clock).await?;
        let inner = Inner { account, mailbox, chores: Notify::new(), low: AtomicBool::new(false) };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", self.address()).finish_non_exhaustive()
    }
}
