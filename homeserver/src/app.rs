//! Everything a homeserver works with: one struct of leaves, built in one function, shared by `Arc`.

mod directory;
mod federation_keys;
mod known_peers;
mod limits;
mod passwords;
mod remote_users;
mod revocations;
mod under_way;

use std::sync::Arc;

use missive_wire::{AccountName, Address, ServerName};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use directory::{Directory, Entry};
pub use federation_keys::FederationKeys;
pub use known_peers::{Known, KnownPeers};
pub use limits::{FrameLimit, Limit, Limits};
pub use passwords::{Passwords, PasswordsBusy};
pub use remote_users::RemoteUsers;
pub use revocations::{Revocations, Verdict};
pub use under_way::{Begun, UnderWay};

use crate::{
    clock::Clock,
    config::Config,
    error::StoreError,
    hub::{Hub, Lanes},
    keys::{MasterKey, MasterKeyError, TokenKeys},
    peers::{Peers, outbound::OutboundError},
    store::{OpenError, SealedKey, Store, Writer},
};

/// A running homeserver's state, or that of an admin's command on the same database.
pub struct App {
    /// What it was told.
    pub config: Config,
    /// Its name in every address.
    pub server_name: ServerName,
    /// Renewed by a restore from backup.
    pub incarnation: Uuid,
    /// The database.
    pub store: Store,
    /// The one task that writes the hand-over's rows.
    pub writer: Writer,
    /// Who is connected here.
    pub hub: Hub,
    /// The lanes to other homeservers.
    pub lanes: Lanes,
    /// Other homeservers' transactions that are being worked on.
    pub transactions: UnderWay,
    /// Other homeservers that are being met.
    pub meetings: UnderWay,
    /// This process, among those on the same database.
    pub process: Uuid,
    /// Time and randomness.
    pub clock: Clock,
    /// The key that seals the server's own secrets.
    pub master_key: MasterKey,
    /// What signs and verifies tokens.
    pub tokens: TokenKeys,
    /// What signs what this server says to others.
    pub federation_keys: FederationKeys,
    /// The ways to other servers; `None` where this one does not federate.
    pub peers: Option<Peers>,
    /// What is remembered of other servers.
    pub known_peers: KnownPeers,
    /// What other servers said of their users a moment ago.
    pub remote_users: RemoteUsers,
    /// Password hashing on its own slow threads.
    pub passwords: Passwords,
    /// Rate limits.
    pub limits: Limits,
    /// Sessions and accounts whose access tokens no longer count.
    pub revocations: Revocations,
    /// Accounts and their devices, as senders need to know them.
    pub directory: Directory,
    /// Wakes the follower of control events at once, after this process wrote one.
    pub control: tokio::sync::Notify,
    /// Every spawned task, so that a shutdown waits for them.
    pub tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub shutdown: CancellationToken,
}

/// Why the state could not be built; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database, once open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// Other servers cannot be called as the configuration says.
    #[error(transparent)]
    Peers(#[from] OutboundError),
    /// The configured name is not the one this database was made for.
    #[error(
        "this database belongs to the homeserver {stored}, but server_name is {configured}: a server's name never \
         changes; set server_name = \"{stored}\", or use another database"
    )]
    OtherName {
        /// The name in the database.
        stored: String,
        /// The name in the configuration.
        configured: String,
    },
}

impl App {
    /// Opens the database and builds the state; at the first start, makes the keys.
    pub async fn open(config: Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let store = Store::open(&config.database_url, config.database.auto_migrate).await?;
        let server_name = own_name(&config, &store).await?;
        let incarnation = store.remember("incarnation", &clock.new_id().to_string()).await?;
        let incarnation = incarnation.parse().map_err(|_| crate::store::corrupt("incarnation"))?;
        let fresh = store.signing_keys(TOKEN_KEYS).await?.is_empty();
        let master_key = MasterKey::load(&config.master_key_file, fresh, &clock)?;
        let tokens = token_keys(&store, &master_key, &clock).await?;
        let federation_keys = FederationKeys::open(&store, &master_key, &clock).await?;
        let peers = federates(&config, &server_name, &clock)?;
        let tasks = TaskTracker::new();
        Ok(Arc::new(Self {
            writer: Writer::start(&store, server_name.clone()),
            hub: Hub::default(),
            lanes: Lanes::default(),
            transactions: UnderWay::default(),
            meetings: UnderWay::default(),
            process: clock.new_id(),
            passwords: Passwords::start(&config.limits),
            limits: Limits::new(&config.limits),
            revocations: Revocations::default(),
            directory: Directory::default(),
            control: tokio::sync::Notify::new(),
            shutdown: CancellationToken::new(),
            config,
            server_name,
            incarnation,
            store,
            clock,
            master_key,
            tokens,
            federation_keys,
            peers,
            known_peers: KnownPeers::default(),
            remote_users: RemoteUsers::default(),
            tasks,
        }))
    }

    /// The address of an account of this homeserver.
    pub fn address(&self, name: &AccountName) -> Address {
        Address { name: name.clone(), server: self.server_name.clone() }
    }
}

const TOKEN_KEYS: &str = "token";

async fn own_name(config: &Config, store: &Store) -> Result<ServerName, StartError> {
    let stored = store.remember("server_name", &config.server_name).await?;
    if stored != config.server_name {
        return Err(StartError::OtherName { stored, configured: config.server_name.clone() });
    }
    Ok(stored.parse().map_err(|_| crate::store::corrupt("server name"))?)
}

fn federates(config: &Config, own: &ServerName, clock: &Clock) -> Result<Option<Peers>, OutboundError> {
    let peers = || Peers::new(own.clone(), &config.federation, clock.clone());
    config.federation.enabled.then(peers).transpose()
}

async fn token_keys(store: &Store, master: &MasterKey, clock: &Clock) -> Result<TokenKeys, StartError> {
    if store.signing_keys(TOKEN_KEYS).await?.is_empty() {
        let (id, secret) = TokenKeys::generate(clock).ok_or(MasterKeyError::NoRandomness)?;
        let sealed = master.seal(&context(&id), secret.as_ref(), clock)?;
        store.add_first_signing_key(TOKEN_KEYS, &SealedKey { id, sealed }, clock.now()).await?;
    }
    let keys = store.signing_keys(TOKEN_KEYS).await?;
    let key = keys.into_iter().next().ok_or_else(|| crate::store::corrupt("token key"))?;
    let secret = master.open(&context(&key.id), &key.sealed)?;
    Ok(TokenKeys::new(key.id, &secret, master).map_err(|_| MasterKeyError::Wrong)?)
}

fn context(key_id: &str) -> String {
    format!("signing_keys/{TOKEN_KEYS}/{key_id}")
}
