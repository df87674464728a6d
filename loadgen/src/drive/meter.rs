//! What is counted while traffic runs.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

/// Counts, times and the moment to stop, shared by every sender and receiver.
#[derive(Debug)]
pub struct Meter {
    start: Instant,
    /// Whether times are kept.
    pub measuring: Cell<bool>,
    /// Whether nothing more is to be sent.
    pub stopping: Cell<bool>,
    /// Messages that arrived.
    pub arrived: Cell<u64>,
    /// Messages of which the sender was told what it is owed.
    pub settled: Cell<u64>,
    /// Nanoseconds since the start at which the last message arrived.
    pub last_arrival: Cell<u64>,
    /// Nanoseconds from sending to arrival.
    pub arrival_times: RefCell<Vec<u64>>,
    /// Nanoseconds from sending to the status.
    pub settling_times: RefCell<Vec<u64>>,
}

/// How far traffic was at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// How many messages were done.
    pub done: u64,
    /// The processor time of the server and its database by then.
    pub processor: Duration,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            measuring: Cell::new(false),
            stopping: Cell::new(false),
            arrived: Cell::new(0),
            settled: Cell::new(0),
            last_arrival: Cell::new(0),
            arrival_times: RefCell::default(),
            settling_times: RefCell::default(),
        }
    }
}

impl Meter {
    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A message arrived now.
    pub fn arrived(&self, sent_at: u64, now: u64) {
        self.arrived.set(self.arrived.get() + 1);
        self.last_arrival.set(now);
        if self.measuring.get() {
            self.arrival_times.borrow_mut().push(now.saturating_sub(sent_at));
        }
    }

    /// A sender was told what it is owed.
    pub fn settled(&self, sent_at: u64, now: u64) {
        self.settled.set(self.settled.get() + 1);
        if self.measuring.get() {
            self.settling_times.borrow_mut().push(now.saturating_sub(sent_at));
        }
    }
}
