//! What other servers said of their users a moment ago: whoever types looks for the same address several times.

use std::time::Duration;

use missive_wire::Address;
use moka::sync::Cache;

/// So long nobody notices that an account was made meanwhile.
const LIFETIME: Duration = Duration::from_secs(30);

/// The most addresses that are remembered.
const ADDRESSES_MAX: u64 = 10_000;

/// Whether accounts of other servers exist, as these last said.
pub struct RemoteUsers(Cache<Address, bool>);

impl Default for RemoteUsers {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(ADDRESSES_MAX).time_to_live(LIFETIME).build())
    }
}

impl RemoteUsers {
    /// Whether the account exists; `None` where its server was not asked a moment ago.
    pub fn get(&self, address: &Address) -> Option<bool> {
        self.0.get(address)
    }

    /// Remembers what its server said.
    pub fn remember(&self, address: &Address, exists: bool) {
        self.0.insert(address.clone(), exists);
    }
}
