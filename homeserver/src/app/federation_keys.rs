//! The federation keys of this server, as this process last read them.

use std::sync::{Arc, PoisonError, RwLock};

use super::StartError;
use crate::{
    clock::Clock,
    keys::{
        MasterKey,
        federation::{KeyRing, SigningKey, issue},
    },
    store::Store,
};

/// The federation keys of this server.
#[derive(Debug)]
pub struct FederationKeys(RwLock<Arc<KeyRing>>);

impl FederationKeys {
    /// Reads the keys; where there are none, makes the first. Of replicas that start together, the first to store one wins.
    pub(super) async fn open(store: &Store, master: &MasterKey, clock: &Clock) -> Result<Self, StartError> {
        let mut rows = store.federation_keys().await?;
        if rows.is_empty() {
            store.add_first_federation_key(&issue(1, clock.now(), master, clock)?).await?;
            rows = store.federation_keys().await?;
        }
        let ring = KeyRing::open(rows, store.recovery_key().await?, master)?;
        Ok(Self(RwLock::new(Arc::new(ring))))
    }

    /// The keys as they are now.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key to sign with now; `None` only when every key has ended, which the log then says.
    pub fn signing(&self, clock: &Clock) -> Option<Arc<SigningKey>> {
        self.ring().signing(clock.now()).cloned()
    }

    /// The keys have changed.
    pub fn replace(&self, ring: KeyRing) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}
