//! The pairs that wait because the other homeserver deferred something of theirs.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{EnvelopeKey, OutboxRow};

/// How long a pair waits after it was deferred; twice as long each time.
pub(super) const DEFERRED: Duration = Duration::from_secs(2);
pub(super) const DEFERRED_MAX: Duration = Duration::from_mins(5);

/// The most pairs that are remembered as deferred. While there are more, the whole lane waits as one of them.
const PAIRS: usize = 128;

/// The pairs of a lane that wait.
#[derive(Debug, Default)]
pub(super) struct DeferredPairs(Vec<Deferred>);

/// A pair that waits.
#[derive(Debug)]
struct Deferred {
    key: EnvelopeKey,
    until: Instant,
    pause: Duration,
    /// Whether it is tried meanwhile.
    trying: bool,
}

impl DeferredPairs {
    /// Lets a pair wait; whether there was room to remember it.
    pub(super) fn defer(&mut self, key: &EnvelopeKey, now: Instant) -> bool {
        let room = self.0.len() < PAIRS;
        match self.0.iter_mut().find(|one| one.key.same_pair(key)) {
            // Told of several envelopes by one answer.
            Some(known) if !known.trying => {}
            Some(known) => {
                known.pause = (known.pause * 2).min(DEFERRED_MAX);
                (known.trying, known.until) = (false, now + known.pause);
            }
            None if room => {
                let until = now + DEFERRED;
                self.0.push(Deferred { key: key.clone(), until, pause: DEFERRED, trying: false });
            }
            None => return false,
        }
        true
    }

    /// Something of a pair was settled.
    pub(super) fn settle(&mut self, key: &EnvelopeKey) {
        self.0.retain(|one| !one.key.same_pair(key));
    }

    /// Those whose time has come are tried.
    pub(super) fn try_due(&mut self, now: Instant) {
        for due in self.0.iter_mut().filter(|one| one.until <= now) {
            (due.trying, due.until) = (true, now + due.pause);
        }
    }

    /// Forgets those that are tried and have nothing among all that is stored.
    pub(super) fn forget_empty(&mut self, rows: &[OutboxRow]) {
        self.0.retain(|one| !one.trying || rows.iter().any(|row| row.key.same_pair(&one.key)));
    }

    /// The pairs that are not tried.
    pub(super) fn waiting(&self) -> Vec<EnvelopeKey> {
        self.0.iter().filter(|one| !one.trying).map(|one| one.key.clone()).collect()
    }

    /// When each is due.
    pub(super) fn times(&self) -> impl Iterator<Item = Instant> + '_ {
        self.0.iter().map(|one| one.until)
    }

    /// Whether messages wait, and not only statuses.
    pub(super) fn have_messages(&self) -> bool {
        self.0.iter().any(|one| one.key.state.is_none())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
