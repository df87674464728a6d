//! Accounts and their devices as senders need to know them, cached so that a message between two connected devices
//! asks no database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use missive_wire::AccountName;
use moka::sync::Cache;
use uuid::Uuid;

use crate::{
    model::DeviceRow,
    store::{Result, Store},
};

/// Control events keep the cache true; this bounds it and whatever they may miss.
const LIFETIME: Duration = Duration::from_mins(1);
const CAPACITY: u64 = 100_000;

/// An account of this homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub account: Uuid,
    /// Its name.
    pub name: AccountName,
    /// Whether an admin revoked it.
    pub revoked: bool,
    /// Its devices, by their ids.
    pub devices: Vec<DeviceRow>,
}

/// The cache of [`Entry`]s.
pub struct Directory {
    /// Names never change their account, so that this needs no invalidation.
    ids: Cache<AccountName, Uuid>,
    by_id: Cache<Uuid, Arc<Entry>>,
    /// Rises with every invalidation, so that nothing read before one stays cached after it.
    epoch: AtomicU64,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            ids: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            by_id: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            epoch: AtomicU64::new(0),
        }
    }
}

impl Directory {
    /// The account of that name.
    pub async fn by_name(&self, store: &Store, name: &AccountName) -> Result<Option<Arc<Entry>>> {
        if let Some(id) = self.ids.get(name) {
            return self.by_id(store, id).await;
        }
        let Some(account) = store.account_by_name(name.as_str()).await? else { return Ok(None) };
        self.ids.insert(name.clone(), account.id);
        self.by_id(store, account.id).await
    }

    /// The account of that id.
    pub async fn by_id(&self, store: &Store, id: Uuid) -> Result<Option<Arc<Entry>>> {
        if let Some(entry) = self.by_id.get(&id) {
            return Ok(Some(entry));
        }
        self.load(store, id, self.epoch.load(Ordering::SeqCst)).await
    }

    /// Forgets what is cached of an account.
    pub fn forget(&self, id: Uuid) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.by_id.invalidate(&id);
    }

    async fn load(&self, store: &Store, id: Uuid, epoch: u64) -> Result<Option<Arc<Entry>>> {
        let Some(account) = store.account(id).await? else { return Ok(None) };
        let name: AccountName = account.name.parse().map_err(|_| crate::store::corrupt("name"))?;
        let devices = store.devices(id).await?;
        let entry = Arc::new(Entry { account: id, name, revoked: account.revoked_at.is_some(), devices });
        self.by_id.insert(id, entry.clone());
        if self.epoch.load(Ordering::SeqCst) != epoch {
            self.by_id.invalidate(&id);
        }
        Ok(Some(entry))
    }
}
