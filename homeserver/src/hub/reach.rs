//! Whether another homeserver can be reached, and when it is tried again: by one lane at a time, until it answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use missive_wire::Timestamp;

/// The pause after the first failure, in milliseconds; each further one doubles it.
const PAUSE_MILLIS: i64 = 1_000;

/// The longest pause, in milliseconds.
const PAUSE_MAX_MILLIS: i64 = 60 * 60 * 1_000;

/// Whether another homeserver can be reached.
#[derive(Debug, Clone, Default)]
pub struct Reach(Arc<Mutex<State>>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    failing: Option<Failing>,
    /// Whether it was reached since this began: before that, one lane tries for all.
    reached: bool,
    /// Which probe is trying; 0 is none.
    trying: u64,
    probes: u64,
}

/// Since when a homeserver cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// When that was first seen.
    pub since: Timestamp,
    /// How often it was tried.
    pub failures: u32,
    /// When it was tried last.
    pub last_try: Timestamp,
    /// When it is tried again.
    pub next_try: Timestamp,
}

/// The leave to call a homeserver. While it cannot be reached, only one holds one; who drops it has not tried.
#[derive(Debug)]
pub struct Probe(Option<(Reach, u64)>);

impl Reach {
    /// Whether it can be reached, as far as is known.
    pub fn is_open(&self) -> bool {
        self.lock().failing.is_none()
    }

    /// The leave to call it now.
    pub(super) fn leave(&self, now: Timestamp) -> Option<Probe> {
        let mut state = self.lock();
        if state.reached && state.failing.is_none() {
            return Some(Probe(None));
        }
        if state.trying > 0 || state.failing.is_some_and(|failing| !failing.is_due(now)) {
            return None;
        }
        state.probes += 1;
        state.trying = state.probes;
        let probe = state.probes;
        drop(state);
        Some(Probe(Some((self.clone(), probe))))
    }

    /// Whether it is to be tried again.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let state = self.lock();
        // Of one that was never reached, the others wait for whoever tried and had nothing to send.
        let due = state.failing.map_or(!state.reached, |failing| failing.is_due(now));
        state.trying == 0 && due
    }

    /// It is to be tried now, though its time has not come; whether it is. Not sooner than a pause after the last time.
    pub(super) fn try_now(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        let Some(failing) = &mut state.failing else { return false };
        let soonest = failing.last_try.millis().saturating_add(PAUSE_MILLIS);
        let at = now.millis().max(soonest).min(failing.next_try.millis());
        failing.next_try = Timestamp::from_millis(at);
        failing.is_due(now)
    }

    /// A call failed. `jitter` is random; `wait` is how long the other homeserver asks to be left alone, in seconds.
    /// `probing`: by whoever held a probe.
    pub fn failed(&self, now: Timestamp, jitter: u8, wait: Option<u64>, probing: bool) -> Failing {
        let mut state = self.lock();
        let (since, before) = state.failing.map_or((now, 0), |failing| (failing.since, failing.failures));
        // Calls of several lanes that were under way together are one failure.
        if let Some(failing) = state.failing.filter(|_| !probing) {
            return failing;
        }
        let pause = PAUSE_MILLIS.saturating_mul(1 << before.min(20)).min(PAUSE_MAX_MILLIS);
        // From three quarters of it to five, so that many that lost the same homeserver do not all come back at once.
        let pause = pause * 3 / 4 + pause / 2 * i64::from(jitter) / 255;
        let wait = wait.and_then(|seconds| i64::try_from(seconds.saturating_mul(1_000)).ok()).unwrap_or_default();
        let next_try = now.millis().saturating_add(pause.max(wait).min(PAUSE_MAX_MILLIS));
        let next_try = Timestamp::from_millis(next_try);
        let failing = Failing { since, failures: before.saturating_add(1), last_try: now, next_try };
        *state = State { failing: Some(failing), trying: 0, ..*state };
        failing
    }

    /// A call succeeded: whether others waited for that, and since when calls had been failing, if they had.
    pub fn succeeded(&self) -> (bool, Option<Failing>) {
        let mut state = self.lock();
        let first = !std::mem::replace(&mut state.reached, true);
        state.trying = 0;
        let failing = state.failing.take();
        (first || failing.is_some(), failing)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failing {
    /// A clock that was set back does not stop us for as long.
    fn is_due(&self, now: Timestamp) -> bool {
        let left = self.next_try.millis().saturating_sub(now.millis());
        !(1..=PAUSE_MAX_MILLIS).contains(&left)
    }
}

impl Probe {
    /// The leave where it is one that others wait for.
    pub(super) fn into_leave(self) -> Option<Self> {
        if self.0.is_some() { Some(self) } else { None }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some((reach, probe)) = &self.0 {
            let mut state = reach.lock();
            if state.trying == *probe {
                state.trying = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_one_tries_at_a_time() {
        let reach = Reach::default();
        let mut now = at(1_000);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            let probe = reach.leave(now);
            assert!(probe.is_some());
            let failing = reach.failed(now, 128, None, true);
            drop(probe);
            pauses.push(failing.next_try.millis() - now.millis());
            assert!(reach.leave(now).is_none());
            now = failing.next_try;
        }
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert!((900..1_100).contains(&pauses[0]) && *pauses.last().unwrap() <= PAUSE_MAX_MILLIS);
        let probe = reach.leave(now).unwrap();
        assert!(reach.leave(now).is_none(), "somebody tries");
        drop(probe);
        assert!(reach.leave(now).is_some(), "who gave up has not tried");
        assert_eq!(reach.succeeded().1.unwrap().since, at(1_000));
        assert!(reach.is_open());
    }

    #[test]
    fn a_call_to_wake_comes_before_its_time_but_not_at_once() {
        let reach = Reach::default();
        reach.failed(at(0), 128, Some(600), true);
        assert!(!reach.is_due(at(60)));
        assert!(!reach.try_now(at(0)));
        assert!(reach.is_due(at(1)));
        assert!(reach.try_now(at(60)));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let reach = Reach::default();
        reach.failed(at(1_000_000), 0, None, true);
        assert!(reach.is_due(at(0)));
    }
}
