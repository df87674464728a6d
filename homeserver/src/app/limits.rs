//! Rate limits: what one source, account or pair may ask for, in bounded memory.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use missive_wire::Code;
use moka::{policy::EvictionPolicy, sync::Cache};

use crate::{
    config,
    error::{Error, Result},
};

/// The most callers that one limit remembers; the least recently seen go first.
const CALLERS_MAX: u64 = 100_000;

/// How many requesters of a domain may claim the bundles of one account as often as one may.
const REQUESTERS_OF_DOMAIN: u32 = 4;

/// The servers of one domain that are met in an hour because they ask: an organisation has a few, whoever invents names has
/// as many as they like.
const MEETINGS_PER_HOUR: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Wrong passwords are counted together as long as no such time lies between two of them.
const FAILURES_REMEMBERED: Duration = Duration::from_mins(15);

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Requests of a source.
    Request,
    /// Registrations from a source.
    Registration,
    /// Log-ins from a source, right or wrong; and refresh tokens of an account that were spent long ago.
    Login,
    /// Bundles that an account claims.
    Claim,
    /// Bundles of one account that one other claims.
    ClaimTarget,
    /// Bundles that an account of another homeserver claims.
    RemoteClaim,
    /// Bundles of one account that one of another homeserver claims.
    RemoteClaimTarget,
    /// Bundles that another homeserver claims, for whomever.
    PeerClaim,
    /// Bundles that all homeservers below one registered domain claim.
    DomainClaim,
    /// Bundles of one account that all homeservers below one registrable domain claim.
    DomainClaimTarget,
    /// Homeservers below one registrable domain that are met by what they ask.
    Meeting,
    /// Directory searches of an account.
    Search,
    /// Names that all homeservers below one registered domain look up.
    DomainSearch,
    /// Requests of another homeserver.
    Peer,
    /// Requests of all homeservers below one registered domain.
    Domain,
}

/// The limits of a server; with `limits.enabled = false` everything passes.
pub struct Limits {
    enabled: bool,
    // The keys of callers and names never lie in memory: only their hashes under a random key of this process.
    hasher: RandomState,
    request: Keyed,
    registration: Keyed,
    login: Keyed,
    claim: Keyed,
    claim_target: Keyed,
    remote_claim: Keyed,
    remote_claim_target: Keyed,
    peer_claim: Keyed,
    domain_claim: Keyed,
    domain_claim_target: Keyed,
    meeting: Keyed,
    search: Keyed,
    domain_search: Keyed,
    peer: Keyed,
    domain: Keyed,
    strangers: Strangers,
    lockouts: Lockouts,
    frames: Quota,
}

/// The limit of one socket's frames.
pub struct FrameLimit(DefaultDirectRateLimiter);

struct Keyed {
    quota: Quota,
    callers: Cache<u64, Arc<DefaultDirectRateLimiter>>,
}

/// Sources of requests that nobody could be shown to have signed.
struct Strangers {
    failures: Keyed,
    shut_out: Cache<u64, Instant>,
}

struct Lockouts {
    allowed: u32,
    lasts: Duration,
    failures: Cache<u64, u32>,
    locked: Cache<u64, Instant>,
}

impl Limits {
    /// The limits of a configuration.
    pub fn new(limits: &config::Limits) -> Self {
        Self {
            enabled: limits.enabled,
            hasher: RandomState::new(),
            request: Keyed::new(Quota::per_second(count(limits.requests_per_second))),
            registration: Keyed::new(Quota::per_hour(count(limits.registrations_per_hour))),
            login: Keyed::new(Quota::per_minute(count(limits.logins_per_minute))),
            claim: Keyed::new(Quota::per_minute(count(limits.claims_per_minute))),
            claim_target: Keyed::new(Quota::per_minute(count(limits.claims_per_target_per_minute))),
            // Apart from those of our own accounts: made-up names elsewhere must not push these out of memory.
            remote_claim: Keyed::new(Quota::per_minute(count(limits.claims_per_minute))),
            remote_claim_target: Keyed::new(Quota::per_minute(count(limits.claims_per_target_per_minute))),
            peer_claim: Keyed::new(Quota::per_minute(count(limits.peer_claims_per_minute))),
            domain_claim_target: Keyed::new(Quota::per_minute(count(
                limits.claims_per_target_per_minute.saturating_mul(REQUESTERS_OF_DOMAIN),
            ))),
            meeting: Keyed::new(Quota::per_hour(MEETINGS_PER_HOUR)),
            domain_claim: Keyed::new(Quota::per_minute(count(limits.domain_claims_per_minute))),
            search: Keyed::new(Quota::per_minute(count(limits.searches_per_minute))),
            domain_search: Keyed::new(Quota::per_minute(count(limits.domain_searches_per_minute))),
            peer: Keyed::new(Quota::per_second(count(limits.peer_requests_per_second))),
            domain: Keyed::new(Quota::per_second(count(limits.domain_requests_per_second))),
            strangers: Strangers::new(limits.peer_failures_per_minute),
            lockouts: Lockouts::new(limits.login_failures, Duration::from_secs(limits.lockout_seconds.into())),
            frames: Quota::per_second(count(limits.frames_per_second)),
        }
    }

    /// Counts one more, or refuses it: 429 `rate_limited`, with the time until the next may come.
    pub fn check(&self, limit: Limit, key: &impl Hash) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        self.keyed(limit).check(self.hasher.hash_one(key)).map_err(|wait| {
            Error::temporary(Code::RateLimited, "too many requests of this kind; wait before the next", seconds(wait))
        })
    }

    /// Refuses a log-in whose key is locked out: 429 `locked_out`, with the time that is left.
    pub fn check_lockout(&self, key: &impl Hash) -> Result<()> {
        match self.locked_for(key) {
            Some(left) => {
                let text = "too many wrong passwords for this name from here; log in again after the lock-out";
                Err(Error::temporary(Code::LockedOut, text, seconds(left)))
            }
            None => Ok(()),
        }
    }

    /// How much longer a key is locked out, if it is.
    fn locked_for(&self, key: &impl Hash) -> Option<Duration> {
        let until = self.lockouts.locked.get(&self.hasher.hash_one(key))?;
        until.checked_duration_since(Instant::now())
    }

    /// A wrong password; one too many locks the key out.
    pub fn record_failure(&self, key: &impl Hash) {
        if self.enabled {
            self.lockouts.record(self.hasher.hash_one(key));
        }
    }

    /// A right password: what was wrong before no longer counts.
    pub fn forgive(&self, key: &impl Hash) {
        self.lockouts.failures.invalidate(&self.hasher.hash_one(key));
    }

    /// Refuses a source whose requests kept failing to show which homeserver they are from: 429 `rate_limited`, with the
    /// time until the next is looked at.
    pub fn check_stranger(&self, key: &impl Hash) -> Result<()> {
        let until = self.strangers.shut_out.get(&self.hasher.hash_one(key));
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(left) if self.enabled => {
                let text = "too many requests from there that no homeserver could be shown to have signed; wait before the next";
                Err(Error::temporary(Code::RateLimited, text, seconds(left)))
            }
            _ => Ok(()),
        }
    }

    /// A request that failed so; one too many, and the next are not looked at for a while.
    pub fn record_stranger(&self, key: &impl Hash) {
        if self.enabled {
            self.strangers.record(self.hasher.hash_one(key));
        }
    }

    /// The limit for a new socket's frames; `None` when there is none.
    pub fn frames(&self) -> Option<FrameLimit> {
        self.enabled.then(|| FrameLimit(RateLimiter::direct(self.frames)))
    }

    fn keyed(&self, limit: Limit) -> &Keyed {
        match limit {
            Limit::Request => &self.request,
            Limit::Registration => &self.registration,
            Limit::Login => &self.login,
            Limit::Claim => &self.claim,
            Limit::ClaimTarget => &self.claim_target,
            Limit::RemoteClaim => &self.remote_claim,
            Limit::RemoteClaimTarget => &self.remote_claim_target,
            Limit::PeerClaim => &self.peer_claim,
            Limit::DomainClaim => &self.domain_claim,
            Limit::DomainClaimTarget => &self.domain_claim_target,
            Limit::Meeting => &self.meeting,
            Limit::Search => &self.search,
            Limit::DomainSearch => &self.domain_search,
            Limit::Peer => &self.peer,
            Limit::Domain => &self.domain,
        }
    }
}

impl FrameLimit {
    /// Counts one more frame; false when it is one too many.
    pub fn allow(&self) -> bool {
        self.0.check().is_ok()
    }
}

impl Keyed {
    fn new(quota: Quota) -> Self {
        // Who has been quiet for as long as the whole quota takes to come back has it all again: nothing to remember.
        Self { quota, callers: bounded(quota.burst_size_replenished_in()) }
    }

    fn check(&self, caller: u64) -> Result<(), Duration> {
        let limiter = self.callers.get_with(caller, || Arc::new(RateLimiter::direct(self.quota)));
        limiter.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

impl Strangers {
    fn new(failures_per_minute: u32) -> Self {
        let quota = Quota::per_minute(count(failures_per_minute));
        Self { failures: Keyed::new(quota), shut_out: bounded(quota.burst_size_replenished_in()) }
    }

    fn record(&self, key: u64) {
        if let Err(wait) = self.failures.check(key) {
            self.shut_out.insert(key, Instant::now() + wait);
        }
    }
}

impl Lockouts {
    fn new(allowed: u32, lasts: Duration) -> Self {
        let locked = Cache::builder()
            .max_capacity(CALLERS_MAX)
            .time_to_live(lasts)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { allowed, lasts, failures: bounded(FAILURES_REMEMBERED), locked }
    }

    fn record(&self, key: u64) {
        let failures = self.failures.entry(key).and_upsert_with(|before| before.map_or(0, moka::Entry::into_value) + 1);
        if failures.into_value() >= self.allowed {
            self.locked.insert(key, Instant::now() + self.lasts);
            self.failures.invalidate(&key);
        }
    }
}

fn bounded<V: Clone + Send + Sync + 'static>(idle: Duration) -> Cache<u64, V> {
    Cache::builder()
        .max_capacity(CALLERS_MAX)
        .time_to_idle(idle.max(Duration::from_secs(1)))
        .eviction_policy(EvictionPolicy::lru())
        .build()
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// Whole seconds to wait, at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.as_secs() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(burst: u32) -> Keyed {
        Keyed::new(Quota::per_minute(count(burst)))
    }

    #[test]
    fn each_caller_has_its_own_quota() {
        let limit = keyed(2);
        assert!(limit.check(1).is_ok() && limit.check(1).is_ok());
        assert!(limit.check(1).unwrap_err() <= Duration::from_secs(30));
        assert!(limit.check(2).is_ok());
    }

    #[test]
    fn one_failure_too_many_locks_out_for_a_while() {
        let lockouts = Lockouts::new(2, Duration::from_mins(1));
        lockouts.record(1);
        assert!(lockouts.locked.get(&1).is_none());
        lockouts.record(1);
        assert!(lockouts.locked.get(&1).is_some());
        assert!(lockouts.locked.get(&2).is_none());
    }

    #[test]
    fn one_failure_too_many_shuts_a_stranger_out_until_the_next_is_allowed() {
        let strangers = Strangers::new(2);
        let shut_out = |key| strangers.shut_out.get(&key).is_some_and(|until| until > Instant::now());
        for _ in 0..2 {
            strangers.record(1);
            assert!(!shut_out(1));
        }
        strangers.record(1);
        assert!(shut_out(1) && !shut_out(2));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(1001)), 2);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
    }
}
