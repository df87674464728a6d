//! Other servers as this process last read them, so that a message to or from one asks no database.
//!
//! Names come from strangers, so that all of it is bounded. A control event clears it when an admin changed something;
//! what other replicas changed is read within a minute.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use missive_wire::ServerName;
use moka::sync::Cache;
use uuid::Uuid;

use crate::{
    model::{PinnedKeys, Restored},
    peers::discovery::Discovered,
};

const LIFETIME: Duration = Duration::from_mins(1);

/// How long a server that was never met counts as such without another look: whoever meets it may be another replica.
const STRANGE: Duration = Duration::from_secs(5);

/// The most servers that are remembered.
const SERVERS_MAX: u64 = 10_000;

/// The most keys and statements that are remembered of all servers together.
const KEYS_MAX: u64 = 200_000;

/// What is remembered of other servers.
pub struct KnownPeers {
    met: Cache<ServerName, Known>,
    strangers: Cache<ServerName, ()>,
    reached: Cache<ServerName, ()>,
    incarnations: Cache<ServerName, Uuid>,
    restored: RwLock<Arc<[Restored]>>,
    /// Rises whenever all is forgotten, so that nothing read before stays remembered after it.
    epoch: AtomicU64,
}

/// What is remembered of a server that was met.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its keys that are trusted.
    pub pinned: Arc<PinnedKeys>,
    /// What it published, as they were last held against it.
    pub judged: Option<Arc<Discovered>>,
}

impl Default for KnownPeers {
    fn default() -> Self {
        let few = |lifetime| Cache::builder().max_capacity(SERVERS_MAX).time_to_live(lifetime).build();
        Self {
            met: Cache::builder().weigher(weight).max_capacity(KEYS_MAX).time_to_live(LIFETIME).build(),
            strangers: few(STRANGE),
            reached: few(LIFETIME),
            incarnations: Cache::builder().max_capacity(SERVERS_MAX).time_to_live(LIFETIME).build(),
            restored: RwLock::new(Arc::new([])),
            epoch: AtomicU64::new(0),
        }
    }
}

impl KnownPeers {
    /// What is remembered of a server that was met.
    pub fn get(&self, server: &ServerName) -> Option<Known> {
        self.met.get(server)
    }

    /// Whether it was read a moment ago that the server was never met.
    pub fn is_stranger(&self, server: &ServerName) -> bool {
        self.strangers.contains_key(server)
    }

    /// To be read before the database is, and given with what was read there.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Remembers what was read of a server, or that it was never met.
    pub fn remember(&self, server: &ServerName, known: Option<Known>, epoch: u64) {
        match known {
            Some(known) => {
                self.met.insert(server.clone(), known);
                self.strangers.invalidate(server);
            }
            None => self.strangers.insert(server.clone(), ()),
        }
        if self.epoch() != epoch {
            self.met.invalidate(server);
            self.strangers.invalidate(server);
        }
    }

    /// Forgets every server's keys.
    pub fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.met.invalidate_all();
        self.strangers.invalidate_all();
    }

    /// Whether the database should be told that a server was reached: once a minute, and first after a failure.
    pub fn is_news(&self, server: &ServerName) -> bool {
        !self.reached.contains_key(server)
    }

    /// The database knows that a server was reached.
    pub fn reached(&self, server: &ServerName) {
        self.reached.insert(server.clone(), ());
    }

    /// A server was not reached.
    pub fn failing(&self, server: &ServerName) {
        self.reached.invalidate(server);
    }

    /// Whether a server's incarnation is the one that the database has.
    pub fn has_incarnation(&self, server: &ServerName, incarnation: Uuid) -> bool {
        self.incarnations.get(server) == Some(incarnation)
    }

    /// The database has that incarnation of a server.
    pub fn set_incarnation(&self, server: &ServerName, incarnation: Uuid) {
        self.incarnations.insert(server.clone(), incarnation);
    }

    /// The servers that were restored within the message lifetime: each device is told of them when it connects.
    pub fn restored(&self) -> Arc<[Restored]> {
        self.restored.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them, and gives those of before.
    pub fn set_restored(&self, restored: Vec<Restored>) -> Arc<[Restored]> {
        let mut current = self.restored.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, restored.into())
    }
}

fn weight(_: &ServerName, known: &Known) -> u32 {
    let pinned = known.pinned.keys.len() + known.pinned.revoked.len();
    let judged = known.judged.as_ref().map_or(0, |found| {
        let keys = &found.keys;
        keys.keys.len() + keys.statements.len() + keys.revocations.len()
    });
    u32::try_from(1 + pinned + judged).unwrap_or(u32::MAX)
}
