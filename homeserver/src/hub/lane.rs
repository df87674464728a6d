//! The hand-over to another homeserver, in one lane, as a state machine without I/O: envelopes come in, transactions and
//! writes go out.
//!
//! Invariants:
//! - At most one transaction is under way, so that the envelopes of a pair arrive in order.
//! - The fast path (no database) is open only while no message of the lane is stored, queued or being written. So nothing
//!   overtakes what is stored. Statuses may be stored all the while: they need no order.
//! - A spill takes all of the fast path, oldest first, before anything newer is queued.
//! - A transaction that got no answer is repeated as it was, under its id, before anything else is sent: its envelopes may
//!   have been taken. One that was spilled meanwhile is settled by that answer all the same.
//! - Only a result settles an envelope; a deferred one holds up its pair, and nobody else.

mod deferred;
mod flight;
mod landing;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use missive_wire::{Code, ENVELOPES_MAX, EnvelopeResult, TRANSACTION_MAX_BYTES};
use tokio::time::Instant;
use uuid::Uuid;

use self::{deferred::DeferredPairs, flight::Flight};
use super::{Outcome, Reply, mailbox::WAIT};
use crate::model::{EnvelopeKey, NewEnvelope, OutboxRow};

/// The most envelopes on the fast path, and their bytes.
const FAST: usize = 1024;
const FAST_BYTES: usize = 2 * 1024 * 1024;

/// How many envelopes may wait for the database.
const QUEUE: usize = 1024;

/// Bytes of a transaction around its envelopes, and after each.
const AROUND_BYTES: usize = 32;

/// The hand-over by one lane.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; no two exclude each other")]
pub(super) struct LaneState {
    /// On the fast path: in memory only, oldest first. The first of them may be under way.
    fast: VecDeque<Waiting>,
    fast_bytes: usize,
    /// To be stored, oldest first.
    queue: VecDeque<Waiting>,
    writing: Option<Vec<Waiting>>,
    /// The transaction that is under way, or was and got no answer.
    flight: Option<Flight>,
    /// Whether something is being done about a flight.
    busy: bool,
    /// Results of what was stored while it was under way.
    late: Vec<Landed>,
    deferred: DeferredPairs,
    /// Until when nothing is sent, and how long that is.
    pause: Option<(Instant, Duration)>,
    /// A transaction of stored envelopes that got no answer, to be repeated under its id.
    repeat: Option<(Uuid, Vec<OutboxRow>)>,
    /// Whether messages of the lane may be stored; `None`: that is not known before the store was read.
    messages: Option<bool>,
    /// Whether the store should be read.
    look: bool,
    /// Whether messages were stored since it was read.
    written: bool,
    /// Whether what is stored goes next, so that the fast path does not keep it waiting for ever.
    stored_next: bool,
    /// The most envelopes of the next transaction.
    most: usize,
    shut: bool,
}

#[derive(Debug)]
struct Waiting {
    envelope: Arc<NewEnvelope>,
    replies: Vec<Reply>,
    until: Instant,
    /// What the other homeserver said of it while it was being stored.
    answer: Option<EnvelopeResult>,
}

/// A stored envelope, and what became of it.
pub type Landed = (OutboxRow, EnvelopeResult);

/// What is to be done about a lane's transactions, one thing at a time.
#[derive(Debug)]
pub enum LaneStep {
    /// Send this transaction.
    Send {
        /// Its id.
        id: Uuid,
        /// Its body.
        body: Bytes,
        /// How many envelopes it has.
        envelopes: usize,
        /// Whether none of it is stored, and it goes for the first time.
        fast: bool,
    },
    /// Read the oldest stored envelopes.
    Read,
    /// Settle stored envelopes.
    Settle(Vec<Landed>),
}

/// What storing an envelope came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is durable at this place.
    At(i64),
    /// The sender's share of the outbox is full.
    Full,
    /// The sender's account is no more.
    Gone,
}

/// Why a transaction has no results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no answer that counts.
    NoAnswer,
    /// The other homeserver takes nothing for so long.
    Paused(Duration),
    /// The other homeserver takes none of it as it is: perhaps in smaller parts.
    Whole,
}

impl Default for LaneState {
    fn default() -> Self {
        Self {
            fast: VecDeque::new(),
            fast_bytes: 0,
            queue: VecDeque::new(),
            writing: None,
            flight: None,
            busy: false,
            late: Vec::new(),
            deferred: DeferredPairs::default(),
            pause: None,
            repeat: None,
            messages: None,
            look: true,
            written: false,
            stored_next: false,
            most: ENVELOPES_MAX,
            shut: false,
        }
    }
}

impl LaneState {
    /// Takes a message. `may_be_fast`: the other homeserver can be reached, as far as is known, and there is memory for it.
    pub(super) fn take(&mut self, envelope: Arc<NewEnvelope>, reply: Reply, now: Instant, may_be_fast: bool) {
        if reply.is_held() {
            reply.tell(Outcome::AfterFailed);
            return;
        }
        // The id first, which tells almost all of them apart.
        let id = envelope.key.message_id;
        let same = |one: &&mut Waiting| one.envelope.key.message_id == id && one.envelope.key == envelope.key;
        let being_stored = self.queue.iter_mut().chain(self.writing.iter_mut().flatten());
        if let Some(copy) = self.fast.iter_mut().chain(being_stored.filter(|one| one.answer.is_none())).find(same) {
            copy.replies.push(reply);
            return;
        }
        let bytes = envelope.json.len();
        let waiting = Waiting { envelope, replies: vec![reply], until: now + WAIT, answer: None };
        let quiet = self.messages != Some(true) && self.queue.is_empty() && self.writing.is_none() && !self.shut;
        let room = self.fast.len() < FAST && self.fast_bytes + bytes <= FAST_BYTES;
        if may_be_fast && quiet && room {
            self.fast_bytes += bytes;
            self.fast.push_back(waiting);
        } else {
            self.spill();
            self.queue.push_back(waiting);
            self.messages = Some(true);
        }
    }

    /// Stores whatever is on the fast path.
    pub(super) fn spill(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.fast = false;
        }
        if !self.fast.is_empty() {
            self.messages = Some(true);
        }
        self.queue.extend(self.fast.drain(..));
        self.fast_bytes = 0;
    }

    /// The server stops: nothing stays in memory.
    pub(super) fn shut_down(&mut self) {
        self.shut = true;
        self.spill();
    }

    /// Something may have been stored by others. Only of messages of an earlier process, or of another server on the same
    /// database, that is not known to be statuses.
    pub(super) fn look_again(&mut self, messages: bool) {
        self.look = true;
        if messages {
            self.spill();
            self.messages = Some(true);
        }
    }

    /// Spills the fast path if its oldest has waited long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.fast.front().is_some_and(|oldest| oldest.until <= now) {
            self.spill();
        }
    }

    /// When there is something to do though nothing comes; nothing is sent any more unless it `may_send`.
    pub(super) fn deadline(&self, now: Instant, may_send: bool) -> Option<Instant> {
        let oldest = self.fast.front().map(|oldest| oldest.until);
        let paused = self.pause.map(|(until, _)| until);
        let sending = self.deferred.times().chain(paused).filter(|until| may_send && *until > now);
        oldest.into_iter().chain(sending).min()
    }

    /// Whether it takes another envelope.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < QUEUE
    }

    /// Bytes on the fast path.
    pub(super) fn fast_bytes(&self) -> usize {
        self.fast_bytes
    }

    /// Whether it has nothing to do, and knows of nothing stored.
    pub(super) fn is_idle(&self) -> bool {
        let sent = self.flight.is_none() && self.repeat.is_none() && self.deferred.is_empty();
        self.is_empty() && self.messages == Some(false) && !self.look && sent
    }

    /// Whether nothing is in memory but what may be repeated or read.
    pub(super) fn is_empty(&self) -> bool {
        let waiting = self.fast.is_empty() && self.queue.is_empty() && self.writing.is_none();
        waiting && !self.busy && self.late.is_empty()
    }

    /// What is to be stored, in this order; none while something is being stored.
    pub(super) fn next_write(&mut self) -> Option<Vec<Arc<NewEnvelope>>> {
        if self.writing.is_some() || self.queue.is_empty() {
            return None;
        }
        let writing = self.queue.drain(..).collect::<Vec<_>>();
        let envelopes = writing.iter().map(|one| one.envelope.clone()).collect();
        self.writing = Some(writing);
        Some(envelopes)
    }

    /// Whether [`LaneState::next_step`] would call the other homeserver, or read what to send it.
    pub(super) fn wants_to_send(&self, now: Instant) -> bool {
        let due = self.look || self.deferred.times().any(|until| until <= now);
        let fast = !self.fast.is_empty() && self.messages == Some(false);
        let paused = self.pause.is_some_and(|(until, _)| until > now);
        !self.busy && self.late.is_empty() && !paused && (self.flight.is_some() || fast || due)
    }

    /// What is to be done next; none while something is. `may_send`: the other homeserver may be called.
    pub(super) fn next_step(&mut self, now: Instant, may_send: bool, id: impl FnOnce() -> Uuid) -> Option<LaneStep> {
        if self.busy {
            return None;
        }
        let step = if !self.late.is_empty() {
            LaneStep::Settle(std::mem::take(&mut self.late))
        } else if !may_send || !self.wants_to_send(now) {
            return None;
        } else if let Some(flight) = &self.flight {
            flight.step()
        } else if !self.fast.is_empty() && self.messages == Some(false) && !(self.look && self.stored_next) {
            let flight = Flight::of_fast(&self.fast, self.most, id());
            let step = flight.step();
            self.flight = Some(flight);
            step
        } else {
            (self.look, self.written, self.stored_next) = (false, false, false);
            self.deferred.try_due(now);
            LaneStep::Read
        };
        self.busy = true;
        Some(step)
    }

    /// What is to be read: the transaction that is to be repeated; else, of what is stored, not that of these pairs.
    pub(super) fn reading(&self) -> (Option<(Uuid, Vec<OutboxRow>)>, Vec<EnvelopeKey>) {
        (self.repeat.clone(), self.deferred.waiting())
    }

    /// Of stored envelopes, the oldest of pairs that need not wait, those that go into the next transaction. `end`: there
    /// are no more behind them.
    pub(super) fn choose(&mut self, rows: Vec<OutboxRow>, end: bool) -> Vec<OutboxRow> {
        // Of what was to be repeated, something is gone.
        self.repeat = None;
        if end {
            self.deferred.forget_empty(&rows);
        }
        let newer = !self.queue.is_empty() || self.writing.is_some() || self.written;
        let waiting = self.deferred.have_messages();
        if newer || waiting || rows.iter().any(|row| row.key.state.is_none()) {
            self.spill();
            self.messages = Some(true);
        } else if end {
            self.messages = Some(false);
        }
        let (mut chosen, mut bytes) = (Vec::<OutboxRow>::new(), AROUND_BYTES);
        let answered = self.answered();
        for row in rows.into_iter().filter(|row| !answered.contains(&&row.key)) {
            bytes += usize::try_from(row.bytes).unwrap_or(usize::MAX).saturating_add(1);
            if chosen.len() >= self.most || (bytes > TRANSACTION_MAX_BYTES && !chosen.is_empty()) {
                break;
            }
            chosen.push(row);
        }
        chosen
    }

    /// Of what it is known already what became of it, though its row may still be there, or just have come to be: it was
    /// answered while it was being stored.
    fn answered(&self) -> Vec<&EnvelopeKey> {
        let stored = self.writing.iter().flatten().filter(|one| one.answer.is_some());
        stored.map(|one| &one.envelope.key).chain(self.late.iter().map(|(row, _)| &row.key)).collect()
    }

    /// What was chosen is to be sent. What is no longer there has expired meanwhile.
    pub(super) fn fly_rows(&mut self, rows: Vec<(OutboxRow, String)>, chosen: bool, id: Uuid) {
        self.busy = false;
        self.look |= chosen;
        if rows.is_empty() {
            return;
        }
        self.flight = Some(Flight::of_rows(rows, id));
        self.repeat = None;
    }

    /// Nothing is sent for so long.
    pub(super) fn pause(&mut self, now: Instant, pause: Duration) {
        self.pause = Some((now + pause, pause));
    }

    /// Reading failed: it is tried again.
    pub(super) fn read_failed(&mut self) {
        self.busy = false;
        self.look = true;
    }

    /// What was stored is settled; where that failed, it is sent again.
    pub(super) fn settled(&mut self) {
        self.busy = false;
        self.look = true;
    }

    /// The transaction is not sent after all: others have stored what must go first.
    pub(super) fn abandon(&mut self) {
        (self.busy, self.flight) = (false, None);
        self.spill();
        (self.messages, self.look) = (Some(true), true);
    }

    /// What was to be stored is stored, or `None`: whether it was is not known.
    pub(super) fn written(&mut self, results: Option<Vec<Stored>>) {
        let writing = self.writing.take().unwrap_or_default();
        (self.look, self.written, self.messages) = (true, true, Some(true));
        let mut results = results.map(Vec::into_iter);
        let mut failed = Vec::new();
        for waiting in writing {
            match results.as_mut().map(|results| results.next().unwrap_or(Stored::Gone)) {
                Some(Stored::At(seq)) => self.is_stored(seq, waiting),
                Some(Stored::Gone) => answer(waiting.replies, Outcome::Gone),
                Some(Stored::Full) => {
                    failed.push(waiting.envelope.key.clone());
                    answer(waiting.replies, Outcome::Full);
                }
                None => {
                    failed.push(waiting.envelope.key.clone());
                    answer(waiting.replies, Outcome::Failed);
                }
            }
        }
        self.fail_behind(&failed);
        self.put_aside();
    }

    fn is_stored(&mut self, seq: i64, waiting: Waiting) {
        let Waiting { envelope, replies, answer: result, .. } = waiting;
        let bytes = i64::try_from(envelope.json.len()).unwrap_or(i64::MAX);
        let row = OutboxRow { seq, key: envelope.key.clone(), bytes };
        answer(replies, Outcome::Stored);
        if let Some(result) = result {
            self.late.push((row, result));
        } else if let Some(flight) = &mut self.flight
            && let Some(item) = flight.items.iter_mut().find(|item| item.key == row.key)
        {
            item.row = Some(row);
        }
    }

    /// Fails what is queued behind messages that failed for now, where it is of the same pair: stored, it would overtake
    /// them.
    fn fail_behind(&mut self, failed: &[EnvelopeKey]) {
        if failed.is_empty() {
            return;
        }
        let behind = |one: &Waiting| failed.iter().any(|key| key.same_pair(&one.envelope.key));
        for waiting in self.queue.iter_mut().filter(|one| behind(one)) {
            answer(std::mem::take(&mut waiting.replies), Outcome::AfterFailed);
        }
        self.queue.retain(|one| !behind(one));
    }
}

fn answer(replies: Vec<Reply>, outcome: Outcome) {
    for reply in replies {
        reply.tell(outcome);
    }
}

/// The code that tells a message's sender why another homeserver refused it.
pub fn undeliverable(code: Code) -> Code {
    match code {
        Code::DeviceMismatch | Code::Undecryptable | Code::Expired | Code::ReceiverGone => code,
        Code::NotFound => Code::ReceiverGone,
        _ => Code::Refused,
    }
}
