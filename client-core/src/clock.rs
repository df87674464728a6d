//! Time, passed in: a program takes the system's, a test turns its own.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use missive_wire::Timestamp;

const MILLIS_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// Where a client reads the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[allow(clippy::disallowed_methods)] // the one place that asks it
    pub fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that says what `now` says.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// The time as it is written on the wire.
    pub fn timestamp(&self) -> Timestamp {
        let elapsed = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The day of a time, counted from 1970.
pub(crate) fn day(at: Timestamp) -> i64 {
    at.millis() / MILLIS_A_DAY
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
