//! Where a server is and which keys it publishes: `/.well-known/missive/server` of its name, and the keys there or at
//! `<baseUrl>/federation/v1/keys`.
//!
//! Names come from strangers: a request that names a victim as its origin makes us ask the victim. So that this
//! amplifies nothing, a server is asked at most once each 15 seconds, whoever wants to know; failures are remembered,
//! unless the server signs something meanwhile, which shows that it is there; each asker has a budget; and strangers
//! share a few places. What was found stays in use for an hour, and where it cannot be fetched again, for a day: a server
//! whose web site is down is not cut off at once.

mod asker;
mod attempts;
mod failure;
mod fetch;

use std::{sync::Arc, time::Duration};

use missive_wire::{ServerName, Timestamp};
use moka::sync::Cache;
use tokio::{
    sync::{Mutex, MutexGuard, OnceCell},
    time::timeout,
};

pub use asker::Asker;
pub use failure::{Failed, Reason};

use self::{
    asker::Budgets,
    attempts::{Attempt, Attempts},
};
use super::{
    outbound::{BaseUrl, Outbound},
    policy::Policy,
    trust::{FirstKeysError, KeyDocument},
};
use crate::{clock::Clock, model::PinnedKeys};

/// How long what was found is used without asking again, in milliseconds.
pub const FRESH_MILLIS: i64 = 60 * 60 * 1_000;

/// How long it is used where asking again fails, in milliseconds.
pub const STALE_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// The most keys, statements and revocations that are remembered of all servers together; the least used servers go
/// first.
const SOON: Duration = Duration::from_secs(3);
const TURN: Duration = Duration::from_secs(2);
const ENTRIES_MAX: u64 = 200_000;

/// What a server counts for at the least, so that no more than 10 000 are remembered.
const ENTRIES_MIN: usize = 20;

/// Finds servers, and remembers what it found.
pub struct Discovery {
    outbound: Arc<Outbound>,
    policy: Arc<Policy>,
    clock: Clock,
    found: Cache<ServerName, Arc<Discovered>>,
    attempts: Attempts,
    budgets: Budgets,
}

/// What a server published of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Which.
    pub server: ServerName,
    /// Where its routes begin, as it says. `federation.resolve` goes before it.
    pub base: BaseUrl,
    /// Its keys, not yet trusted (see [`super::trust`]).
    pub keys: KeyDocument,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// What would be pinned of its keys at first contact ([`super::trust::first`]), once that was asked: each request of a
    /// stranger asks it anew.
    pub first: OnceCell<Result<Arc<PinnedKeys>, FirstKeysError>>,
}

impl Discovery {
    /// Discovery with nothing found yet.
    pub fn new(outbound: Arc<Outbound>, policy: Arc<Policy>, clock: Clock) -> Self {
        let lasts = Duration::from_millis(STALE_MILLIS.unsigned_abs());
        Self {
            outbound,
            policy,
            clock,
            found: Cache::builder().weigher(weight).max_capacity(ENTRIES_MAX).time_to_live(lasts).build(),
            attempts: Attempts::default(),
            budgets: Budgets::default(),
        }
    }

    /// A server, from memory where it may be.
    pub async fn find(&self, server: &ServerName, asker: Asker) -> Result<Arc<Discovered>, Failed> {
        self.check(server)?;
        let known = self.found.get(server);
        if let Some(known) = known.as_ref().filter(|known| self.age(known) < FRESH_MILLIS) {
            return Ok(known.clone());
        }
        let known = known.filter(|known| self.age(known) < STALE_MILLIS);
        let slot = self.attempts.of(server);
        let attempt = match (slot.try_lock(), &known) {
            (Ok(attempt), _) => attempt,
            // Somebody is asking already.
            (Err(_), Some(known)) => return Ok(known.clone()),
            (Err(_), None) => turn(&slot, server, asker).await?,
        };
        // While we waited, another may have found it.
        if let Some(known) = self.found.get(server).filter(|known| self.age(known) < FRESH_MILLIS) {
            return Ok(known);
        }
        let attempt = self.attempt(server, asker, attempt);
        let Some(known) = known else { return attempt.await };
        // What is known will do: a document that does not come keeps no message waiting.
        Ok(timeout(SOON, attempt).await.ok().and_then(Result::ok).unwrap_or(known))
    }

    /// A server whose document has a key that is not known: asks again, unless it was asked in the last 15 seconds; then
    /// gives what is known.
    pub async fn look_again(&self, server: &ServerName, asker: Asker) -> Result<Arc<Discovered>, Failed> {
        self.check(server)?;
        let slot = self.attempts.of(server);
        let attempt = turn(&slot, server, asker).await?;
        let known = self.found.get(server).filter(|known| self.age(known) < STALE_MILLIS);
        match (self.attempt(server, asker, attempt).await, known) {
            (Err(failed), Some(known)) if failed.is_early() => Ok(known),
            (outcome, _) => outcome,
        }
    }

    /// A server could not be called where it was found: it may have moved, so that it is asked again before the next call,
    /// as soon as it may be.
    pub fn doubt(&self, found: &Discovered) {
        let old = Timestamp::from_millis(self.clock.now().millis() - FRESH_MILLIS);
        if found.fetched_at > old && self.found.get(&found.server).is_some_and(|known| *known == *found) {
            let doubted = Discovered { fetched_at: old, ..found.clone() };
            self.found.insert(found.server.clone(), Arc::new(doubted));
        }
    }

    /// A server has signed something, so that it is there: that it was not found before does not keep us from asking it.
    pub fn hear(&self, server: &ServerName) {
        self.attempts.hear(server);
    }

    /// Forgets a server, so that it is asked anew: for an admin who has changed something.
    pub fn forget(&self, server: &ServerName) {
        self.found.invalidate(server);
        self.attempts.forget(server);
    }

    /// Forgets every server.
    pub fn forget_all(&self) {
        self.found.invalidate_all();
        self.attempts.forget_all();
    }

    fn check(&self, server: &ServerName) -> Result<(), Failed> {
        self.policy.check(server).map_err(|denied| Failed::now(server, Reason::Denied(denied)))
    }

    /// Asks the server, if it may be asked now.
    async fn attempt(
        &self,
        server: &ServerName,
        asker: Asker,
        mut attempt: MutexGuard<'_, Attempt>,
    ) -> Result<Arc<Discovered>, Failed> {
        // Who has signed something is looked for soon again, but not while what is known of it will do.
        let is_known = self.found.get(server).is_some_and(|known| self.age(&known) < STALE_MILLIS);
        let heard = !is_known && self.attempts.has_heard(server);
        attempt.is_due(server, self.clock.now(), heard)?;
        let failed = |reason| Failed::now(server, reason);
        let place = self.budgets.take(asker).map_err(failed)?;
        attempt.begin(self.clock.now());
        let outcome = fetch::server(&self.outbound, server, &self.clock).await;
        drop(place);
        let now = self.clock.now();
        match outcome {
            Ok(found) => {
                attempt.succeeded(now);
                let found = Arc::new(found);
                self.found.insert(server.clone(), found.clone());
                Ok(found)
            }
            Err(reason) => {
                attempt.failed(now, reason.clone());
                Err(failed(reason))
            }
        }
    }

    fn age(&self, found: &Discovered) -> i64 {
        self.clock.now().millis().saturating_sub(found.fetched_at.millis())
    }
}

fn weight(_: &ServerName, found: &Arc<Discovered>) -> u32 {
    let keys = &found.keys;
    let entries = keys.keys.len() + keys.statements.len() + keys.revocations.len();
    u32::try_from(entries.max(ENTRIES_MIN)).unwrap_or(u32::MAX)
}

/// Waits until nobody else asks the server; a stranger waits for a moment only, and must come again: those who wait would
/// fill all places for strangers.
async fn turn<'a>(
    slot: &'a Mutex<Attempt>,
    server: &ServerName,
    asker: Asker,
) -> Result<MutexGuard<'a, Attempt>, Failed> {
    match slot.try_lock() {
        Ok(attempt) => Ok(attempt),
        Err(_) if asker.is_stranger() => {
            timeout(TURN, slot.lock()).await.map_err(|_| Failed::now(server, Reason::Busy))
        }
        Err(_) => Ok(slot.lock().await),
    }
}
