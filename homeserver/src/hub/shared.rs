//! A mailbox that many tasks use: whoever has an input locks it for a moment. Only what takes time (the database, the
//! wait for an acknowledgement) needs a task, its driver, and only while there is any: an idle device costs none.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{sync::Notify, time::Instant};

use super::{Done, Input, Job, Mailbox, Notice};
use crate::model::DeviceKey;

/// The mailbox of a device, awake.
#[derive(Debug)]
pub struct SharedMailbox {
    /// Whose it is.
    pub device: DeviceKey,
    state: Mutex<State>,
    /// Wakes the driver from its wait.
    job: Notify,
    /// Wakes whoever waits for room.
    room: Notify,
}

#[derive(Debug)]
struct State {
    mailbox: Mailbox,
    /// Whether a driver runs.
    driven: bool,
    /// Until when it waits.
    waits_until: Option<Instant>,
    /// Whether it fell asleep: the next input needs a new mailbox.
    asleep: bool,
}

/// What came of giving inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// How far it came.
    pub end: End,
    /// Whether the caller must start a driver.
    pub start_driver: bool,
    /// Whether the mailbox has nothing to do and may fall asleep.
    pub idle: bool,
}

/// How far giving inputs came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All were taken.
    All,
    /// No more are taken until there is room.
    NoRoom,
    /// None was taken: the mailbox is asleep.
    Asleep,
}

/// What the driver does next.
#[derive(Debug)]
pub enum Step {
    /// Run a job, and say what it came to.
    Run(Job),
    /// Wait until then, or for a job.
    Wait(Instant),
    /// Nothing: the driver ends.
    Rest,
}

impl SharedMailbox {
    pub(super) fn new(device: DeviceKey, mailbox: Mailbox) -> Self {
        let state = Mutex::new(State { mailbox, driven: false, waits_until: None, asleep: false });
        Self { device, state, job: Notify::new(), room: Notify::new() }
    }

    /// Gives inputs, as far as there is room for them; the rest stays in `inputs`.
    pub fn give(&self, inputs: &mut impl Iterator<Item = Input>, now: Instant) -> Given {
        let mut state = self.lock();
        if state.asleep {
            return Given { end: End::Asleep, start_driver: false, idle: false };
        }
        let end = loop {
            if !state.mailbox.has_room() {
                break End::NoRoom;
            }
            match inputs.next() {
                Some(input) => state.mailbox.input(input, now),
                None => break End::All,
            }
        };
        self.given(state, end)
    }

    /// Gives an input that is taken whether or not there is room, because it asks nothing of the database by itself.
    pub fn tell(&self, input: Input) -> Given {
        let mut state = self.lock();
        if state.asleep {
            return Given { end: End::Asleep, start_driver: false, idle: false };
        }
        state.mailbox.input(input, Instant::now());
        self.given(state, End::All)
    }

    fn given(&self, mut state: MutexGuard<'_, State>, end: End) -> Given {
        let wants_job = state.mailbox.wants_job();
        let sooner = state.mailbox.deadline().zip(state.waits_until).is_some_and(|(deadline, until)| deadline < until);
        if (wants_job || sooner) && state.driven {
            self.job.notify_one();
        }
        let start_driver = !state.driven && (wants_job || state.mailbox.deadline().is_some());
        state.driven |= start_driver;
        Given { end, start_driver, idle: !state.driven && state.mailbox.is_idle() }
    }

    /// Waits until there was room. Begun before [`SharedMailbox::give`] was found to have none.
    pub fn room(&self) -> impl Future<Output = ()> + '_ {
        self.room.notified()
    }

    /// The driver's next step.
    pub fn next_step(&self, now: Instant) -> Step {
        let mut state = self.lock();
        state.mailbox.expire(now);
        if let Some(job) = state.mailbox.next_job() {
            return Step::Run(job);
        }
        state.waits_until = state.mailbox.deadline();
        if let Some(deadline) = state.waits_until {
            return Step::Wait(deadline);
        }
        state.driven = false;
        Step::Rest
    }

    /// A job is done; with `look_again`, the store may hold more than that tells. Returns what the senders of settled
    /// messages are to be told.
    pub fn done(&self, done: Done, look_again: bool) -> Vec<Notice> {
        let mut state = self.lock();
        let notices = state.mailbox.done(done);
        if look_again {
            state.mailbox.input(Input::LookAgain, Instant::now());
        }
        drop(state);
        self.room.notify_waiters();
        notices
    }

    /// Waits, in the driver, until there may be a job.
    pub async fn job(&self) {
        self.job.notified().await;
    }

    /// Falls asleep if there is nothing to do.
    pub(super) fn fall_asleep(&self) -> bool {
        let mut state = self.lock();
        state.asleep |= !state.driven && state.mailbox.is_idle();
        state.asleep
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
