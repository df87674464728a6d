//! When a server was last asked. One question at a time, and none too soon after another.

use std::{sync::Arc, time::Duration};

use missive_wire::{ServerName, Timestamp};
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::{Failed, Reason};

/// The shortest time between two questions to a server, in milliseconds.
pub const PAUSE_MILLIS: i64 = 15 * 1_000;

/// The longest pause after failures; each doubles it. Short, because a server that has come back is to be believed soon.
pub const PAUSE_MAX_MILLIS: i64 = 60 * 1_000;

/// The most servers whose last question is remembered.
const SERVERS_MAX: u64 = 20_000;

/// The last question to each server.
pub(super) struct Attempts(Cache<ServerName, Arc<Mutex<Attempt>>>);

/// The last question to a server.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    at: Timestamp,
    pause: i64,
    failure: Option<Reason>,
}

impl Default for Attempts {
    fn default() -> Self {
        // Idle for longer than any pause, so that none is cut short.
        let idle = Duration::from_millis(2 * PAUSE_MAX_MILLIS.unsigned_abs());
        Self(Cache::builder().max_capacity(SERVERS_MAX).time_to_idle(idle).build())
    }
}

impl Attempts {
    /// That of a server. Whoever has locked it may ask.
    pub(super) fn of(&self, server: &ServerName) -> Arc<Mutex<Attempt>> {
        self.0.get_with_by_ref(server, Arc::default)
    }

    pub(super) fn forget(&self, server: &ServerName) {
        self.0.invalidate(server);
    }
}

impl Attempt {
    /// Whether the server may be asked now; if not, why the last question failed, or that it is too early.
    pub(super) fn is_due(&self, server: &ServerName, now: Timestamp) -> Result<(), Failed> {
        let Some(last) = &self.last else { return Ok(()) };
        let passed = now.millis().saturating_sub(last.at.millis());
        // A clock that was set back must not stop us for as long.
        if !(0..last.pause).contains(&passed) {
            return Ok(());
        }
        let left = (last.pause - passed + 999) / 1_000;
        Err(Failed {
            server: server.clone(),
            reason: last.failure.clone().unwrap_or(Reason::Early),
            retry_after: Some(left.unsigned_abs()),
        })
    }

    /// The server is asked now. It counts at once, so that nobody has it asked again by hanging up.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let before = self.last.take().filter(|last| last.failure.is_some());
        let pause = before.as_ref().map_or(0, |last| 2 * last.pause).clamp(PAUSE_MILLIS, PAUSE_MAX_MILLIS);
        let failure = before.and_then(|last| last.failure).or(Some(Reason::Early));
        self.last = Some(Last { at: now, pause, failure });
    }

    pub(super) fn succeeded(&mut self, now: Timestamp) {
        self.last = Some(Last { at: now, pause: PAUSE_MILLIS, failure: None });
    }

    pub(super) fn failed(&mut self, now: Timestamp, reason: Reason) {
        if let Some(last) = &mut self.last {
            (last.at, last.failure) = (now, Some(reason));
        }
    }
}
