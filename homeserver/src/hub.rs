//! Who is connected here: one mailbox a device, which owns the order of everything that goes to it.

mod input;
mod job;
mod link;
mod mailbox;
mod notice;
mod statuses;
mod turns;
mod waiting;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use missive_wire::DeviceId;
use tokio::sync::mpsc;
use uuid::Uuid;

pub use input::{Input, Link, Outcome, Outgoing};
pub use job::{Done, Job, Op, Written};
pub use mailbox::{Mailbox, WAIT, WINDOW};
pub use notice::Notice;
pub use turns::{Held, Reply, Turns};

use crate::model::DeviceKey;

/// How many inputs may queue at a mailbox before whoever brings more waits.
const INPUTS: usize = 1024;

/// The mailboxes that are awake, by device.
#[derive(Debug, Default)]
pub struct Hub {
    mailboxes: Mutex<BTreeMap<DeviceKey, mpsc::Sender<Input>>>,
}

impl Hub {
    /// The way to a device's mailbox; a sleeping one is woken: `start` gets what arrives there.
    pub fn mailbox(&self, device: DeviceKey, start: impl FnOnce(mpsc::Receiver<Input>)) -> mpsc::Sender<Input> {
        let mut mailboxes = self.mailboxes();
        if let Some(mailbox) = mailboxes.get(&device) {
            return mailbox.clone();
        }
        let (mailbox, inputs) = mpsc::channel(INPUTS);
        mailboxes.insert(device, mailbox.clone());
        start(inputs);
        mailbox
    }

    /// The way to a device's mailbox, if it is awake.
    pub fn awake(&self, device: DeviceKey) -> Option<mpsc::Sender<Input>> {
        self.mailboxes().get(&device).cloned()
    }

    /// The ways to the mailboxes of an account that are awake.
    pub fn of_account(&self, account: Uuid) -> Vec<mpsc::Sender<Input>> {
        let first = DeviceKey { account, device: DeviceId::FIRST };
        let mailboxes = self.mailboxes();
        mailboxes.range(first..).take_while(|(key, _)| key.account == account).map(|(_, one)| one.clone()).collect()
    }

    /// Lets a mailbox with nothing to do fall asleep. Refused while anyone holds a way to it or an input waits, so that
    /// there are never two mailboxes of a device.
    pub fn retire(&self, device: DeviceKey, inputs: &mpsc::Receiver<Input>) -> bool {
        let mut mailboxes = self.mailboxes();
        let unused = inputs.is_empty() && inputs.sender_strong_count() == 1;
        if unused {
            mailboxes.remove(&device);
        }
        unused
    }

    /// How many mailboxes are awake.
    pub fn len(&self) -> usize {
        self.mailboxes().len()
    }

    /// Whether every mailbox sleeps.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn mailboxes(&self) -> MutexGuard<'_, BTreeMap<DeviceKey, mpsc::Sender<Input>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
