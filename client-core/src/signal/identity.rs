//! Whose key is trusted: the first one met, until its holder accepts another.

use libsignal_protocol::IdentityKey;
use missive_wire::{Address, Base64};
use serde::{Deserialize, Serialize};

use crate::{
    StorageError,
    storage::{Batch, Storage, Table},
};

/// What is known of an account's identity key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    trusted: Base64,
    /// A newer key that nobody has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Base64>,
}

impl Identity {
    pub(crate) async fn load(storage: &Storage, address: &Address) -> Result<Option<Self>, StorageError> {
        storage.get(Table::Identity, address.to_string().as_bytes()).await
    }

    pub(super) fn save(&self, batch: &mut Batch, address: &Address) -> Result<(), StorageError> {
        batch.put(Table::Identity, address.to_string(), self)
    }

    pub(super) fn first_use(key: &IdentityKey) -> Self {
        Self { trusted: encode(key), seen: None }
    }

    pub(super) fn trusted(&self) -> Result<IdentityKey, StorageError> {
        IdentityKey::decode(&self.trusted.0).map_err(|_| StorageError::Damaged("an identity key cannot be read"))
    }

    /// The newest key, accepted or not.
    pub(crate) fn newest(&self) -> &Base64 {
        self.seen.as_ref().unwrap_or(&self.trusted)
    }

    pub(super) fn is_trusted(&self, key: &IdentityKey) -> bool {
        self.trusted == encode(key)
    }

    pub(crate) fn waits_for_acceptance(&self) -> bool {
        self.seen.is_some()
    }

    /// Notes a key that is not the trusted one.
    pub(super) fn note(&mut self, key: &IdentityKey) {
        self.seen = Some(encode(key));
    }

    /// Forgets a key that nobody has accepted. Says whether there was one.
    pub(super) fn reject(&mut self) -> bool {
        self.seen.take().is_some()
    }

    /// Trusts the newest key. Says whether that is another one.
    pub(super) fn accept(&mut self) -> bool {
        match self.seen.take() {
            Some(seen) => {
                self.trusted = seen;
                true
            }
            None => false,
        }
    }
}

fn encode(key: &IdentityKey) -> Base64 {
    Base64(key.serialize().into())
}
