//! The lanes to other homeservers that are in use, and how those can be reached. Whoever has an envelope locks a lane for a
//! moment; what takes time has a task, the lane's driver, only while there is any.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use missive_wire::{EnvelopeResult, ServerName, Timestamp};
use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};
use uuid::Uuid;

use super::{
    Reply,
    lane::{LaneState, LaneStep, Stored, Unanswered},
    reach::{Probe, Reach},
};
use crate::model::{EnvelopeKey, LANES, Lane, NewEnvelope, OutboxRow};

/// Bytes of envelopes on the fast path, to all homeservers together; beyond, they are stored.
const FAST_BYTES: usize = 64 * 1024 * 1024;

/// The lanes that are in use.
#[derive(Debug, Default)]
pub struct Lanes {
    destinations: Mutex<HashMap<ServerName, Arc<Destination>>>,
    fast_bytes: Arc<AtomicUsize>,
}

/// Another homeserver, and the lanes that lead there.
#[derive(Debug)]
pub struct Destination {
    /// Which.
    pub server: ServerName,
    /// Whether it can be reached.
    pub reach: Reach,
    lanes: Vec<SharedLane>,
    fast_bytes: Arc<AtomicUsize>,
}

/// One of its lanes.
#[derive(Debug)]
pub struct SharedLane {
    state: Mutex<State>,
    /// Wakes the driver.
    wake: Notify,
    /// Wakes whoever waits for room.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    lane: LaneState,
    /// Whether anything ever was in it.
    used: bool,
    driven: bool,
}

/// A lane that needs a driver: the caller starts it.
#[must_use]
#[derive(Debug)]
pub struct Undriven {
    /// The homeserver.
    pub destination: Arc<Destination>,
    /// Which lane of it.
    pub number: u8,
}

/// What a driver does next.
#[derive(Debug, Default)]
pub struct Work {
    /// Envelopes to store.
    pub write: Option<Vec<Arc<NewEnvelope>>>,
    /// Something to do about transactions, with the leave to call a homeserver that could not be reached.
    pub step: Option<(LaneStep, Option<Probe>)>,
    /// When to look again, if nothing wakes it before.
    pub until: Option<Instant>,
    /// There is nothing to wait for: the driver ends.
    pub rest: bool,
}

impl Lanes {
    /// Takes a message for another homeserver; while its lane has no room, gives it back with what to wait for.
    pub fn take(
        &self,
        envelope: &Arc<NewEnvelope>,
        reply: Reply,
        now: Instant,
    ) -> Result<Option<Undriven>, (Reply, Arc<Destination>)> {
        let mut destinations = self.lock();
        let destination = self.destination(&mut destinations, &envelope.lane.destination);
        let lane = destination.lane(envelope.lane.number);
        let mut state = lane.lock();
        if !state.lane.has_room() {
            drop(state);
            return Err((reply, destination));
        }
        let before = state.lane.fast_bytes();
        let memory = self.fast_bytes.load(Ordering::Relaxed) < FAST_BYTES;
        state.lane.take(envelope.clone(), reply, now, memory && destination.reach.is_open());
        destination.count(before, &state.lane);
        let undriven = lane.started(state);
        Ok(undriven.then_some(Undriven { destination, number: envelope.lane.number }))
    }

    /// Something was stored for a lane: statuses, or, `messages`, anything.
    pub fn look_again(&self, lane: &Lane, messages: bool) -> Option<Undriven> {
        let mut destinations = self.lock();
        let destination = self.destination(&mut destinations, &lane.destination);
        let shared = destination.lane(lane.number);
        let mut state = shared.lock();
        let before = state.lane.fast_bytes();
        state.lane.look_again(messages);
        destination.count(before, &state.lane);
        let undriven = shared.started(state);
        undriven.then_some(Undriven { destination, number: lane.number })
    }

    /// Another homeserver is to be tried now, if it could not be reached.
    pub fn try_now(&self, server: &ServerName, now: Timestamp) -> Vec<Undriven> {
        let Some(destination) = self.lock().get(server).cloned() else { return Vec::new() };
        if destination.reach.try_now(now) { Destination::wake(&destination) } else { Vec::new() }
    }

    /// The lanes to homeservers that are due to be tried again.
    pub fn due(&self, now: Timestamp) -> Vec<Undriven> {
        let due = self.lock().values().filter(|one| one.reach.is_due(now)).cloned().collect::<Vec<_>>();
        due.iter().flat_map(Destination::wake).collect()
    }

    /// Forgets homeservers to which nothing is under way.
    pub fn tidy(&self) {
        self.lock().retain(|_, one| !one.lanes.iter().all(SharedLane::is_idle));
    }

    /// The server stops: whatever is in memory is stored. Returns the lanes that must be driven for that.
    pub fn shut_down(&self) -> Vec<Undriven> {
        let destinations = self.lock().values().cloned().collect::<Vec<_>>();
        let stopped = destinations.iter().flat_map(|destination| {
            (0..LANES).filter_map(|number| {
                let lane = destination.lane(number);
                let mut state = lane.lock();
                let before = state.lane.fast_bytes();
                state.lane.shut_down();
                destination.count(before, &state.lane);
                let start = state.used && !state.lane.is_empty();
                let undriven = start && lane.started(state);
                undriven.then(|| Undriven { destination: destination.clone(), number })
            })
        });
        stopped.collect()
    }

    /// How another homeserver can be reached, if anything is under way to it.
    pub fn of(&self, server: &ServerName) -> Option<Arc<Destination>> {
        self.lock().get(server).cloned()
    }

    fn destination(
        &self,
        destinations: &mut HashMap<ServerName, Arc<Destination>>,
        server: &ServerName,
    ) -> Arc<Destination> {
        if let Some(destination) = destinations.get(server) {
            return destination.clone();
        }
        let destination = Arc::new(Destination {
            server: server.clone(),
            reach: Reach::default(),
            lanes: std::iter::repeat_with(SharedLane::default).take(LANES.into()).collect(),
            fast_bytes: self.fast_bytes.clone(),
        });
        destinations.insert(server.clone(), destination.clone());
        destination
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServerName, Arc<Destination>>> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination {
    /// One of its lanes.
    pub fn lane(&self, number: u8) -> &SharedLane {
        &self.lanes[usize::from(number % LANES)]
    }

    /// Wakes every lane that was ever used, and returns those that have no driver.
    pub fn wake(destination: &Arc<Self>) -> Vec<Undriven> {
        let undriven = (0..LANES).filter(|number| {
            let lane = destination.lane(*number);
            let state = lane.lock();
            state.used && lane.started(state)
        });
        undriven.map(|number| Undriven { destination: destination.clone(), number }).collect()
    }

    /// What the driver of a lane does next; `may_send` unless the server stops.
    pub fn work(&self, number: u8, now: (Instant, Timestamp), may_send: bool, id: impl FnOnce() -> Uuid) -> Work {
        let lane = self.lane(number);
        let mut state = lane.lock();
        let before = state.lane.fast_bytes();
        state.lane.expire(now.0);
        let write = state.lane.next_write();
        let probe = if may_send && state.lane.wants_to_send(now.0) { self.reach.leave(now.1) } else { None };
        let step =
            state.lane.next_step(now.0, probe.is_some(), id).map(|step| (step, probe.and_then(Probe::into_leave)));
        self.count(before, &state.lane);
        let waits = may_send && state.lane.wants_to_send(now.0) && self.reach.is_open();
        let rest = write.is_none()
            && step.is_none()
            && state.lane.is_empty()
            && !waits
            && state.lane.deadline(now.0, may_send).is_none();
        state.driven &= !rest;
        Work { until: state.lane.deadline(now.0, may_send), write, step, rest }
    }

    /// Tells a lane what came of something.
    pub(super) fn tell<T>(&self, number: u8, what: impl FnOnce(&mut LaneState) -> T) -> T {
        let lane = self.lane(number);
        let mut state = lane.lock();
        let before = state.lane.fast_bytes();
        let told = what(&mut state.lane);
        self.count(before, &state.lane);
        drop(state);
        lane.room.notify_waiters();
        told
    }

    /// What is to be read: a transaction that is to be repeated, with its id; else the oldest that is stored, without that
    /// of these pairs.
    pub fn reading(&self, number: u8) -> (Option<(Uuid, Vec<OutboxRow>)>, Vec<EnvelopeKey>) {
        self.tell(number, |lane| lane.reading())
    }

    /// Of stored envelopes, oldest first, those that go into the next transaction; `end`: there are no more.
    pub fn choose(&self, number: u8, rows: Vec<OutboxRow>, end: bool) -> Vec<OutboxRow> {
        self.tell(number, |lane| lane.choose(rows, end))
    }

    /// Stored envelopes are to be sent; `chosen`: there were some, though they may be gone.
    pub fn fly_rows(&self, number: u8, rows: Vec<(OutboxRow, String)>, chosen: bool, id: Uuid) {
        self.tell(number, |lane| lane.fly_rows(rows, chosen, id));
    }

    /// Nothing is sent for so long; then what is stored is looked at again.
    pub fn pause(&self, number: u8, now: Instant, pause: Duration) {
        self.tell(number, |lane| {
            lane.pause(now, pause);
            lane.read_failed();
        });
    }

    /// Stored envelopes could not be read.
    pub fn read_failed(&self, number: u8) {
        self.tell(number, LaneState::read_failed);
    }

    /// Stored envelopes are settled, as far as that went.
    pub fn settled(&self, number: u8) {
        self.tell(number, LaneState::settled);
    }

    /// A transaction was not sent, because others have stored what must go first.
    pub fn abandon(&self, number: u8) {
        self.tell(number, LaneState::abandon);
    }

    /// A transaction has results, or none.
    pub fn landed(&self, number: u8, results: Result<Vec<EnvelopeResult>, Unanswered>, now: Instant) {
        self.tell(number, |lane| lane.landed(results, now));
    }

    /// Envelopes are stored; `None` if that failed.
    pub fn written(&self, number: u8, results: Option<Vec<Stored>>) {
        self.tell(number, |lane| lane.written(results));
    }

    fn count(&self, before: usize, lane: &LaneState) {
        let after = lane.fast_bytes();
        if after > before {
            self.fast_bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.fast_bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

impl SharedLane {
    /// Waits, in the driver, until there may be something to do.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until there may be room. Begun before it was found to have none.
    pub fn room(&self) -> Notified<'_> {
        self.room.notified()
    }

    /// Wakes the driver; whether one must be started.
    fn started(&self, mut state: MutexGuard<'_, State>) -> bool {
        state.used = true;
        let undriven = !state.driven;
        state.driven = true;
        drop(state);
        if !undriven {
            self.wake.notify_one();
        }
        undriven
    }

    fn is_idle(&self) -> bool {
        let state = self.lock();
        !state.driven && (!state.used || state.lane.is_idle())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SharedLane {
    fn default() -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), room: Notify::new() }
    }
}
