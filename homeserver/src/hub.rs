//! Who is connected here: one mailbox a device, which owns the order of everything that goes to it.

mod frames;
mod input;
mod job;
mod lane;
mod lanes;
mod link;
mod mailbox;
mod notice;
mod reach;
mod reply;
mod shared;
mod statuses;
mod turns;
mod waiting;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use missive_wire::{Address, DeviceId};
use tokio::time::Instant;
use uuid::Uuid;

pub use frames::{Frames, Outgoing};
pub use input::{Input, Link};
pub use job::{Done, Job, Op, Reading, Written};
pub use lane::{Landed, LaneStep, Stored, Unanswered, undeliverable};
pub use lanes::{Destination, Lanes, SharedLane, Undriven, Work};
pub use mailbox::{Mailbox, WAIT, WAIT_OF_TRANSACTION, WINDOW};
pub use notice::{Notice, merge};
pub use reach::{Failing, Probe, Reach};
pub use reply::{Outcome, Reply, Sending, SentBy};
pub use shared::{End, Given, SharedMailbox, Step};
pub use turns::{Held, Towards, Turns};

use crate::model::DeviceKey;

/// The mailboxes that are awake, by account and device.
#[derive(Debug, Default)]
pub struct Hub(Mutex<Awake>);

#[derive(Debug, Default)]
struct Awake {
    mailboxes: HashMap<Uuid, Vec<(DeviceId, Arc<SharedMailbox>)>>,
    /// Whether the server stops: every mailbox stores what comes.
    shut: bool,
}

impl Hub {
    /// A device's mailbox; a sleeping one is woken. `address` is its account's.
    pub fn mailbox(&self, device: DeviceKey, address: &Address) -> Arc<SharedMailbox> {
        let mut awake = self.lock();
        let shut = awake.shut;
        let of_account = awake.mailboxes.entry(device.account).or_default();
        if let Some((_, mailbox)) = of_account.iter().find(|(one, _)| *one == device.device) {
            return mailbox.clone();
        }
        let mut mailbox = Mailbox::new(address.clone());
        if shut {
            mailbox.input(Input::Shutdown, Instant::now());
        }
        let mailbox = Arc::new(SharedMailbox::new(device, mailbox));
        of_account.push((device.device, mailbox.clone()));
        mailbox
    }

    /// A device's mailbox, if it is awake.
    pub fn awake(&self, device: DeviceKey) -> Option<Arc<SharedMailbox>> {
        let awake = self.lock();
        let of_account = awake.mailboxes.get(&device.account)?;
        of_account.iter().find(|(one, _)| *one == device.device).map(|(_, mailbox)| mailbox.clone())
    }

    /// The mailboxes of an account that are awake.
    pub fn of_account(&self, account: Uuid) -> Vec<Arc<SharedMailbox>> {
        let awake = self.lock();
        awake.mailboxes.get(&account).into_iter().flatten().map(|(_, mailbox)| mailbox.clone()).collect()
    }

    /// Every mailbox that is awake.
    pub fn all(&self) -> Vec<Arc<SharedMailbox>> {
        self.lock().mailboxes.values().flatten().map(|(_, mailbox)| mailbox.clone()).collect()
    }

    /// Lets a mailbox with nothing to do fall asleep, so that there are never two mailboxes of a device: whoever still
    /// holds a way to it is told that it sleeps, and wakes it here.
    pub fn retire(&self, mailbox: &SharedMailbox) {
        let mut awake = self.lock();
        if !mailbox.fall_asleep() {
            return;
        }
        if let Entry::Occupied(mut of_account) = awake.mailboxes.entry(mailbox.device.account) {
            of_account.get_mut().retain(|(_, one)| !std::ptr::eq(&raw const **one, mailbox));
            if of_account.get().is_empty() {
                of_account.remove();
            }
        }
    }

    /// The server stops: every mailbox, also one that wakes only now, stores what waits in memory. Returns those that
    /// were awake, to be told [`Input::Shutdown`].
    pub fn shut_down(&self) -> Vec<Arc<SharedMailbox>> {
        let mut awake = self.lock();
        awake.shut = true;
        awake.mailboxes.values().flatten().map(|(_, mailbox)| mailbox.clone()).collect()
    }

    /// How many mailboxes are awake.
    pub fn len(&self) -> usize {
        self.lock().mailboxes.values().map(Vec::len).sum()
    }

    /// Whether every mailbox sleeps.
    pub fn is_empty(&self) -> bool {
        self.lock().mailboxes.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Awake> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
