//! What two clients have on their disks, and what was promised them.
#![allow(dead_code)] // each test binary uses its part

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

/// How far a sender knows a message to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    Nothing,
    Sent,
    Received,
}

/// The disks of a sender and its receiver.
pub struct Ledger {
    pair: u128,
    disks: Mutex<Disks>,
    events: AtomicU64,
}

#[derive(Default)]
struct Disks {
    /// The sender's outbox: every message ever written.
    outbox: BTreeMap<u64, Known>,
    /// What the receiver shows, in the order it was stored.
    shown: Vec<u64>,
    seen: BTreeSet<u64>,
    closed: bool,
}

impl Ledger {
    pub fn new(pair: usize) -> Self {
        Self { pair: pair as u128 + 1, disks: Mutex::default(), events: AtomicU64::new(0) }
    }

    /// The id of a message.
    pub fn id(&self, n: u64) -> Uuid {
        Uuid::from_u128(self.pair << 64 | u128::from(n))
    }

    /// The message of an id.
    pub fn number(&self, id: &str) -> u64 {
        let id = Uuid::parse_str(id).unwrap().as_u128();
        assert_eq!(id >> 64, self.pair, "a message of another pair");
        u64::try_from(id & u128::from(u64::MAX)).unwrap()
    }

    /// Writes a new message, unless no more are to be written.
    pub fn write(&self) -> Option<u64> {
        let mut disks = self.disks();
        if disks.closed {
            return None;
        }
        let n = disks.outbox.len() as u64;
        disks.outbox.insert(n, Known::Nothing);
        Some(n)
    }

    /// No more are to be written.
    pub fn close(&self) {
        self.disks().closed = true;
    }

    /// What the sender must send again: messages that it knows nothing of, in order.
    pub fn unknown(&self) -> Vec<u64> {
        self.disks().outbox.iter().filter(|(_, known)| **known == Known::Nothing).map(|(n, _)| *n).collect()
    }

    /// The sender is told; `received` must be true.
    pub fn told(&self, n: u64, known: Known) {
        let mut disks = self.disks();
        assert!(known != Known::Received || disks.seen.contains(&n), "message {n} was told received, and was not");
        let before = disks.outbox.get_mut(&n).expect("a status of a message that was sent");
        *before = known.max(*before);
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// The receiver stores a message; a copy is not shown again.
    pub fn store(&self, n: u64) {
        let mut disks = self.disks();
        if disks.seen.insert(n) {
            disks.shown.push(n);
        }
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages of which the sender does not know that they were received.
    pub fn unacknowledged(&self) -> usize {
        self.disks().outbox.values().filter(|known| **known != Known::Received).count()
    }

    /// How many messages the receiver shows.
    pub fn shown(&self) -> usize {
        self.disks().shown.len()
    }

    /// How much has happened.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Everything that was written is shown once, in order; how many that is.
    pub fn check(&self) -> usize {
        let disks = self.disks();
        assert_eq!(disks.shown.len(), disks.outbox.len());
        for (place, n) in disks.shown.iter().enumerate() {
            assert_eq!(*n, place as u64, "order");
        }
        disks.shown.len()
    }

    /// What is missing.
    pub fn report(&self) -> String {
        let disks = self.disks();
        let missing = disks.outbox.iter().filter(|(n, _)| !disks.seen.contains(n)).collect::<Vec<_>>();
        let untold = disks.outbox.iter().filter(|(n, known)| disks.seen.contains(n) && **known != Known::Received);
        format!("missing {missing:?}; received but not told: {:?}", untold.collect::<Vec<_>>())
    }

    fn disks(&self) -> MutexGuard<'_, Disks> {
        self.disks.lock().unwrap()
    }
}
