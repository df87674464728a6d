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

/// The pause after a failure where the server has signed something lately: it is there, and what failed is past.
const HEARD_PAUSE_MILLIS: i64 = 1_000;

/// The most servers whose last question is remembered.
const SERVERS_MAX: u64 = 20_000;

/// The last question to each server.
pub(super) struct Attempts {
    asked: Cache<ServerName, Arc<Mutex<Attempt>>>,
    /// Servers that have signed something lately.
    heard: Cache<ServerName, ()>,
}

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
        let lately = Duration::from_millis(PAUSE_MILLIS.unsigned_abs());
        Self {
            asked: Cache::builder().max_capacity(SERVERS_MAX).time_to_idle(idle).build(),
            heard: Cache::builder().max_capacity(SERVERS_MAX).time_to_live(lately).build(),
        }
    }
}

impl Attempts {
    /// That of a server. Whoever has locked it may ask.
    pub(super) fn of(&self, server: &ServerName) -> Arc<Mutex<Attempt>> {
        self.asked.get_with_by_ref(server, Arc::default)
    }

    /// A server has signed something.
    pub(super) fn hear(&self, server: &ServerName) {
        self.heard.insert(server.clone(), ());
    }

    /// Whether it has lately.
    pub(super) fn has_heard(&self, server: &ServerName) -> bool {
        self.heard.contains_key(server)
    }

    pub(super) fn forget(&self, server: &ServerName) {
        self.asked.invalidate(server);
    }

    pub(super) fn forget_all(&self) {
        self.asked.invalidate_all();
    }
}

impl Attempt {
    /// Whether the server may be asked now; if not, why the last question failed, or that it is too early. `heard`: it has
    /// signed something lately.
    pub(super) fn is_due(&self, server: &ServerName, now: Timestamp, heard: bool) -> Result<(), Failed> {
        let Some(last) = &self.last else { return Ok(()) };
        let passed = now.millis().saturating_sub(last.at.millis());
        let pause = if heard && last.failure.is_some() { HEARD_PAUSE_MILLIS } else { last.pause };
        // A clock that was set back must not stop us for as long.
        if !(0..pause).contains(&passed) {
            return Ok(());
        }
        let left = (pause - passed + 999) / 1_000;
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
