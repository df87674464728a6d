//! Time and randomness, passed in so that tests can turn them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use missive_wire::Timestamp;
use rand::{TryRngCore as _, rngs::OsRng};
use uuid::{NoContext, Uuid};

/// What the time is, and where random bytes come from.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    turned: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// A clock that stands at `start` until it is turned.
    pub fn turned(start: Timestamp) -> Self {
        Self { turned: Some(Arc::new(AtomicI64::new(start.millis()))) }
    }

    /// Turns a clock made by [`Clock::turned`] on by that many milliseconds; others stay as they are.
    pub fn advance(&self, millis: i64) {
        if let Some(turned) = &self.turned {
            turned.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.turned {
            Some(turned) => Timestamp::from_millis(turned.load(Ordering::SeqCst)),
            None => system_now(),
        }
    }

    /// A new id (UUID version 7 of the time now).
    pub fn new_id(&self) -> Uuid {
        let millis = self.now().millis().unsigned_abs();
        let nanos = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
        Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1_000, nanos))
    }

    /// Random bytes from the operating system; `None` if it has none, which no sane system says.
    pub fn random<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        OsRng.try_fill_bytes(&mut bytes).ok().map(|()| bytes)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
