//! On whose word a server is asked, and how often one may cause that.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::Reason;

/// The servers that one asker may have asked a minute. One that names a server that is known spends nothing.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// The most servers that are asked at a time on the word of strangers, and of our own users.
const PLACES: usize = 32;

/// The most of them on the word of one asker, so that a few cannot take all.
const PLACES_EACH: usize = 4;

/// The most askers that are remembered; the least recently seen go first.
const ASKERS_MAX: u64 = 100_000;

/// On whose word a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A request from that address, whose origin has not been verified. An IPv6 network of 64 bits counts as one.
    Source(IpAddr),
    /// An account of this server.
    Account(Uuid),
    /// This server itself, for what it has taken over, or an admin. Has no budget.
    Own,
}

/// How often each asker may cause a server to be asked, and how many may be asked at a time.
pub(super) struct Budgets {
    askers: Cache<Asker, Arc<Budget>>,
    strangers: Arc<Semaphore>,
    accounts: Arc<Semaphore>,
}

/// What one asker has left.
struct Budget {
    questions: DefaultDirectRateLimiter,
    places: Arc<Semaphore>,
}

/// A question's places, of all askers and of its own; free again when this is dropped.
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Default for Budgets {
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        Self {
            askers: Cache::builder().max_capacity(ASKERS_MAX).time_to_idle(minute).build(),
            strangers: Arc::new(Semaphore::new(PLACES)),
            accounts: Arc::new(Semaphore::new(PLACES)),
        }
    }
}

impl Budgets {
    /// Counts one more question, and takes a place for it where places are limited.
    pub(super) fn take(&self, asker: Asker) -> Result<Option<Place>, Reason> {
        let places = match asker {
            Asker::Source(_) => &self.strangers,
            Asker::Account(_) => &self.accounts,
            Asker::Own => return Ok(None),
        };
        let budget = self.askers.get_with(asker.counted(), Arc::default);
        budget.questions.check().map_err(|until| Reason::Budget {
            seconds: until.wait_time_from(DefaultClock::default().now()).as_secs().saturating_add(1),
        })?;
        let free = |places: &Arc<Semaphore>| places.clone().try_acquire_owned().map_err(|_| Reason::Busy);
        Ok(Some(Place { _own: free(&budget.places)?, _all: free(places)? }))
    }
}

impl Default for Budget {
    fn default() -> Self {
        let questions = RateLimiter::direct(Quota::per_minute(PER_MINUTE));
        Self { questions, places: Arc::new(Semaphore::new(PLACES_EACH)) }
    }
}

impl Asker {
    /// Whether it is not known who asks.
    pub fn is_stranger(self) -> bool {
        matches!(self, Self::Source(_))
    }

    /// The asker whose budget is spent.
    fn counted(self) -> Self {
        match self {
            Self::Source(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => Self::Source(address.into()),
                None => Self::Source(network(address).into()),
            },
            other => other,
        }
    }
}

fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))
}
