//! The hand-over to one device as a state machine without I/O: inputs come in, jobs for the database go out, frames go
//! to the link.
//!
//! Invariants:
//! - At most one job runs at a time, so the device's rows change in the order of the queue.
//! - The fast path (no database) is open only while the device has a greeted link, no stored row, no queued write and
//!   no write running. So nothing overtakes what is stored.
//! - A spill takes the whole window, oldest first, before anything newer is queued.
//! - A message that fails for now takes with it what is queued behind it from the same device: nothing overtakes it.
//! - A link that takes no frame, or was told to close, is let go at once: its socket sees that, and ends.
//! - A message is told `sent` only after its row is committed, `received` only after the device said so.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use missive_wire::{Address, Code, Delivered, ServerFrame, State, StatusEnvelope};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Done, Input, Job, Link, Notice, Op, Outcome, Outgoing, Reply, Written,
    link::Connected,
    notice::{merge, update},
    waiting::{InFlight, Queued, answer, means, same, same_sender},
};
use crate::model::{DeviceKey, MessageSelector, NewStatus, PendingRow, SettledRow};

/// The most unacknowledged messages towards a device.
pub const WINDOW: usize = 64;

/// How long a message of a connected sender may wait in memory for the device's `received` before it is stored.
pub const WAIT: Duration = Duration::from_millis(300);

/// How long one of another homeserver's transaction may: its sender waits for the whole transaction.
pub const WAIT_OF_TRANSACTION: Duration = Duration::from_millis(5);

/// How many writes may wait for the database.
const QUEUE: usize = 1024;

/// The hand-over to one device.
#[derive(Debug)]
pub struct Mailbox {
    address: Address,
    link: Option<Connected>,
    /// On the fast path: sent to the device, in memory only, oldest first.
    window: VecDeque<InFlight>,
    queue: VecDeque<Queued>,
    writing: Option<Vec<Queued>>,
    busy: bool,
    last_was_write: bool,
    shut: bool,
}

impl Mailbox {
    /// The mailbox of a device of that account.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            link: None,
            window: VecDeque::new(),
            queue: VecDeque::new(),
            writing: None,
            busy: false,
            last_was_write: false,
            shut: false,
        }
    }

    /// Takes an input.
    pub fn input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Deliver { message, reply, wait } => self.deliver(message, reply, now + wait),
            Input::Connect(link) => self.connect(link),
            Input::Disconnect(id) => self.disconnect(id),
            Input::Settle { which, state, code, done } => self.settle(which, state, code, done),
            Input::AcknowledgeStatuses { ids, state, done } => {
                if let Some(link) = &mut self.link {
                    link.statuses_acknowledged(&ids, state);
                }
                self.queue.push_back(Queued { done, ..Queued::of(Op::AcknowledgeStatuses(ids, state)) });
            }
            Input::Status(status) => {
                if let Some(link) = &mut self.link {
                    link.tell_status(status);
                }
            }
            Input::LookAgain => {
                if let Some(link) = &mut self.link {
                    link.look_again();
                }
            }
            Input::Keys(keys) => {
                if let Some(link) = &mut self.link {
                    link.send(Outgoing::Frame(Box::new(ServerFrame::Keys { keys })));
                }
            }
            Input::PeerRestored(peer) => {
                if let Some(link) = &mut self.link {
                    link.tell_restored(peer);
                }
            }
            Input::EndSession(session) => {
                if self.link.as_ref().is_some_and(|link| link.session() == session) {
                    self.close(4401, "the session has ended");
                }
            }
            Input::EndAll => self.close(4401, "the session has ended"),
            Input::Shutdown => {
                self.shut = true;
                self.spill();
            }
        }
        self.let_go_if_broken();
    }

    /// When [`Mailbox::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.window.iter().map(|one| one.until).min()
    }

    /// Spills the window if one of its messages has waited long enough.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|until| until <= now) {
            self.spill();
        }
    }

    /// The next thing for the database to do; none while one runs.
    pub fn next_job(&mut self) -> Option<Job> {
        if self.busy {
            return None;
        }
        let job = self.choose_job()?;
        self.busy = true;
        self.last_was_write = matches!(job, Job::Write(_));
        Some(job)
    }

    /// A job is done. Returns what the senders of settled messages are to be told.
    pub fn done(&mut self, done: Done) -> Vec<Notice> {
        self.busy = false;
        let notices = match (done, self.writing.take()) {
            (Done::Written(results), Some(writing)) => self.written(writing, results),
            (done, writing) => {
                self.has_read(done, writing.unwrap_or_default());
                Vec::new()
            }
        };
        self.let_go_if_broken();
        notices
    }

    /// Whether [`Mailbox::next_job`] has one.
    pub fn wants_job(&self) -> bool {
        let reads = |link: &Connected| link.wants_count() || link.wants_messages() || link.wants_statuses();
        !self.busy && (!self.queue.is_empty() || self.link.as_ref().is_some_and(reads))
    }

    /// Whether it takes another input; while the database is behind, whoever brings more waits.
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE
    }

    /// Whether it may fall asleep.
    pub fn is_idle(&self) -> bool {
        self.link.is_none() && self.window.is_empty() && self.queue.is_empty() && !self.busy
    }

    /// Writes and reads take turns. What was spilled for a new link is written before its store is counted, so that its
    /// `hello` tells of it.
    fn choose_job(&mut self) -> Option<Job> {
        let count = self.link.as_ref().is_some_and(Connected::wants_count);
        let messages = self.link.as_ref().is_some_and(Connected::wants_messages);
        let statuses = self.link.as_ref().is_some_and(Connected::wants_statuses);
        let readers_turn = self.last_was_write && (count || messages || statuses);
        if !self.queue.is_empty() && !readers_turn {
            let ops = self.queue.drain(..).collect::<Vec<_>>();
            let job = Job::Write(ops.iter().map(|queued| queued.op.clone()).collect());
            self.writing = Some(ops);
            return Some(job);
        }
        if let Some(link) = self.link.as_mut().filter(|_| count) {
            link.count_begun();
            return Some(Job::Count);
        }
        // Statuses first: they are soon read, while messages may keep coming.
        if statuses {
            return Some(Job::ReadStatuses(super::statuses::WINDOW));
        }
        self.link.as_mut().filter(|_| messages).map(|link| Job::Read(link.read_begun()))
    }

    /// Whether a message may go straight to the device.
    fn is_online(&self) -> bool {
        let quiet = self.queue.is_empty() && self.writing.is_none() && !self.shut;
        quiet && self.link.as_ref().is_some_and(Connected::is_drained)
    }

    fn deliver(&mut self, message: Arc<Delivered>, reply: Reply, until: Instant) {
        if reply.is_held() {
            reply.tell(Outcome::AfterFailed);
            return;
        }
        if let Some(copy) = self.window.iter_mut().find(|one| same(&one.message, &message)) {
            copy.replies.push(reply);
            copy.until = copy.until.min(until);
            return;
        }
        if self.is_online() && self.window.len() < WINDOW && self.send_message(&message) {
            self.window.push_back(InFlight { message, replies: vec![reply], until });
            return;
        }
        self.spill();
        self.queue.push_back(Queued { replies: vec![reply], ..Queued::of(Op::Store(message)) });
    }

    fn spill(&mut self) {
        let sent_over = self.link.as_ref().map(Connected::id);
        for one in self.window.drain(..) {
            self.queue.push_back(Queued { replies: one.replies, sent_over, ..Queued::of(Op::Store(one.message)) });
        }
    }

    fn connect(&mut self, link: Link) {
        self.close(4409, "the same device connected elsewhere");
        self.link = Some(Connected::new(link));
    }

    fn disconnect(&mut self, id: u64) {
        if self.link.as_ref().is_some_and(|link| link.id() == id) {
            self.let_go();
        }
    }

    fn settle(
        &mut self,
        which: MessageSelector,
        state: State,
        code: Option<Code>,
        done: Option<oneshot::Sender<Option<u64>>>,
    ) {
        let mut settled = 0;
        while let Some(place) = self.window.iter().position(|one| means(&which, &one.message)) {
            let Some(one) = self.window.remove(place) else { break };
            settled += 1;
            if state == State::Received {
                answer(one.replies, Outcome::Received);
            } else {
                self.refuse(one, state, code);
            }
        }
        if settled > 0 || self.is_online() {
            if let Some(done) = done {
                let _ = done.send(Some(settled));
            }
            return;
        }
        let row = self.link.as_ref().and_then(|link| link.row(&which)).cloned();
        let which = row.map_or(which, MessageSelector::Row);
        self.queue.push_back(Queued { done, ..Queued::of(Op::Settle(which, state, code)) });
    }

    /// The device refuses a message of the window: its sender is told durably, as of a stored one.
    fn refuse(&mut self, one: InFlight, state: State, code: Option<Code>) {
        let Some(account) = one.message.sender_id else {
            self.refuse_elsewhere(one, state, code);
            return;
        };
        let device = DeviceKey { account, device: one.message.sender_device };
        let (message_id, sender) = (one.message.id, self.address.clone());
        let notice = Notice { device, status: update(vec![message_id], state, &self.address, code) };
        let op = Op::PutStatus(NewStatus { device, message_id, state, sender, code });
        self.queue.push_back(Queued { replies: one.replies, notice: Some(notice), ..Queued::of(op) });
    }

    /// The device refuses a message of another homeserver's user: that homeserver is told durably.
    fn refuse_elsewhere(&mut self, one: InFlight, state: State, code: Option<Code>) {
        let status = StatusEnvelope {
            message_ids: vec![one.message.id],
            state,
            code,
            sender: self.address.clone(),
            receiver: one.message.sender.clone(),
            receiver_device: one.message.sender_device,
        };
        self.queue.push_back(Queued { replies: one.replies, ..Queued::of(Op::TellElsewhere(status)) });
    }

    /// A read is done, or a job failed.
    fn has_read(&mut self, done: Done, writing: Vec<Queued>) {
        if matches!(done, Done::Failed) {
            self.failed(writing);
        }
        let Some(link) = &mut self.link else { return };
        match done {
            Done::Counted(stored, newest) => link.counted(stored, newest),
            Done::Read(rows) => link.read(rows),
            Done::ReadStatuses(rows) => link.statuses_read(rows),
            Done::Failed => link.job_failed(),
            Done::Written(_) => {}
        }
    }

    fn written(&mut self, writing: Vec<Queued>, results: Vec<Written>) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (queued, result) in writing.into_iter().zip(results) {
            let Queued { op, replies, done, sent_over, notice } = queued;
            let mut rows = 0;
            match result {
                Written::Stored(seq, new) => {
                    if let (Some(link), Op::Store(message)) = (&mut self.link, &op) {
                        link.stored(PendingRow::of(seq, message), new, sent_over);
                    }
                    answer(replies, Outcome::Stored);
                }
                Written::Gone => answer(replies, Outcome::Gone),
                Written::Full => {
                    answer(replies, Outcome::Full);
                    self.fail_behind(&[op]);
                }
                Written::Settled(settled) => {
                    rows = settled.len() as u64;
                    if let Some(link) = &mut self.link {
                        link.settled(&settled);
                        if let (Op::Settle(MessageSelector::Row(row), ..), true) = (&op, settled.is_empty()) {
                            link.was_not_there(row.seq);
                        }
                    }
                    if let Op::Settle(_, state, code) = op {
                        notices.extend(settled.iter().filter_map(|row| self.notice(row, state, code)));
                    }
                }
                Written::Rows(count) => {
                    rows = count;
                    answer(replies, Outcome::Settled);
                    notices.extend(notice.filter(|_| count > 0));
                }
            }
            if let Some(done) = done {
                let _ = done.send(Some(rows));
            }
        }
        if let Some(link) = &mut self.link {
            link.tell_drained();
        }
        merge(notices)
    }

    fn notice(&self, row: &SettledRow, state: State, code: Option<Code>) -> Option<Notice> {
        Some(Notice { device: row.sender?, status: update(vec![row.message_id], state, &self.address, code) })
    }

    /// The database failed. What is stored is unknown: it is counted, and read again, once the database answers.
    fn failed(&mut self, writing: Vec<Queued>) {
        if writing.is_empty() {
            return;
        }
        let mut failed = Vec::with_capacity(writing.len());
        for queued in writing {
            answer(queued.replies, Outcome::Failed);
            if let Some(done) = queued.done {
                let _ = done.send(None);
            }
            failed.push(queued.op);
        }
        self.fail_behind(&failed);
        if let Some(link) = &mut self.link {
            link.write_failed();
        }
    }

    /// Fails what is queued behind messages that failed for now, where it comes from the same device: stored, it would
    /// overtake them.
    fn fail_behind(&mut self, failed: &[Op]) {
        for queued in &mut self.queue {
            if let Op::Store(message) = &queued.op
                && failed.iter().any(|op| matches!(op, Op::Store(failed) if same_sender(failed, message)))
            {
                answer(std::mem::take(&mut queued.replies), Outcome::AfterFailed);
            }
        }
        self.queue.retain(|queued| !matches!(queued.op, Op::Store(_)) || !queued.replies.is_empty());
    }

    fn send_message(&mut self, message: &Arc<Delivered>) -> bool {
        self.link.as_mut().is_some_and(|link| link.send(Outgoing::Message(message.clone())))
    }

    /// Tells the link to close, and lets it go. Where the word finds no room, the socket sees that it was let go.
    fn close(&mut self, code: u16, reason: &'static str) {
        if let Some(link) = &mut self.link {
            link.send(Outgoing::Close(code, reason));
        }
        self.let_go();
    }

    fn let_go_if_broken(&mut self) {
        if self.link.as_ref().is_some_and(Connected::is_broken) {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.spill();
        self.link = None;
    }
}
