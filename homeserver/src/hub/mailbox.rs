//! The hand-over to one device as a state machine without I/O: inputs come in, jobs for the database go out, frames go
//! to the link.
//!
//! Invariants:
//! - At most one job runs at a time, so the device's rows change in the order of the queue.
//! - The fast path (no database) is open only while the device has a greeted link, no stored row, no queued write and
//!   no write running. So nothing overtakes what is stored.
//! - A spill takes the whole window, oldest first, before anything newer is queued.
//! - A message is told `sent` only after its row is committed, `received` only after the device said so.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use missive_wire::{Address, Code, Delivered, KeysLow, MessageId, ServerFrame, State, StatusUpdate};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use super::statuses::Statuses;
use crate::model::{DeviceKey, MessageSelector, NewStatus, SettledRow, StoredMessage, StoredStatus};

/// The most unacknowledged messages towards a device.
pub const WINDOW: usize = 64;

/// How long a message may wait in memory for the device's `received` before it is stored.
pub const WAIT: Duration = Duration::from_millis(300);

/// How many writes may wait for the database.
const QUEUE: usize = 1024;

/// What became of a message handed to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The device said that it has it; it was never stored.
    Received,
    /// It is durable.
    Stored,
    /// The device refused it; the status for its sender is stored and under way.
    Settled,
    /// The device is no more, or its account is revoked.
    Gone,
    /// The account's store is full.
    Full,
    /// The database did not take it; whether it did is unknown, and the sender still has it.
    Failed,
}

/// What happens to a mailbox.
#[derive(Debug)]
pub enum Input {
    /// A message for the device.
    Deliver {
        /// The message.
        message: Arc<Delivered>,
        /// Hears what became of it.
        reply: oneshot::Sender<Outcome>,
    },
    /// The device connected. A link that was there before is told 4409.
    Connect(Link),
    /// That link is gone.
    Disconnect(u64),
    /// The device settles messages.
    Settle {
        /// Which.
        which: MessageSelector,
        /// `received` or `undeliverable`.
        state: State,
        /// Why, when undeliverable.
        code: Option<Code>,
        /// Hears how many there were, once that is durable; `None` if the database did not take it.
        done: Option<oneshot::Sender<Option<u64>>>,
    },
    /// The device has stored statuses.
    AcknowledgeStatuses {
        /// The messages they were about.
        ids: Vec<MessageId>,
        /// The state they told; `None` for whatever it was.
        state: Option<State>,
        /// Hears how many there were, once that is durable.
        done: Option<oneshot::Sender<Option<u64>>>,
    },
    /// A status was stored for the device.
    Status(StatusUpdate),
    /// Something may have been stored for the device by another process.
    LookAgain,
    /// One-time keys run low.
    Keys(KeysLow),
    /// That session has ended: its link closes with 4401.
    EndSession(Uuid),
    /// Every session has ended.
    EndAll,
    /// The server stops: whatever waits in memory is stored.
    Shutdown,
}

/// The way to a connected device.
#[derive(Debug)]
pub struct Link {
    /// Tells links of the same device apart.
    pub id: u64,
    /// The session it was opened with.
    pub session: Uuid,
    /// To the task that owns the socket.
    pub frames: mpsc::Sender<Outgoing>,
}

/// What the task that owns the socket is to do.
#[derive(Debug)]
pub enum Outgoing {
    /// Greet the device: so many messages wait for it.
    Hello {
        /// How many.
        pending: u64,
    },
    /// Send a message.
    Message(Arc<Delivered>),
    /// Send a frame.
    Frame(ServerFrame),
    /// Close with a code and a reason.
    Close(u16, &'static str),
}

/// What the database is to do for the device, one at a time.
#[derive(Debug)]
pub enum Job {
    /// Count what is stored.
    Count,
    /// Read the oldest messages.
    Read(usize),
    /// Read the oldest statuses.
    ReadStatuses(usize),
    /// Write, in this order.
    Write(Vec<Op>),
}

/// A write of the device's.
#[derive(Debug, Clone)]
pub enum Op {
    /// Keep a message.
    Store(Arc<Delivered>),
    /// Settle messages.
    Settle(MessageSelector, State, Option<Code>),
    /// Keep a status for a message's sender.
    PutStatus(NewStatus),
    /// Forget statuses.
    AcknowledgeStatuses(Vec<MessageId>, Option<State>),
}

/// What a job came to.
#[derive(Debug)]
pub enum Done {
    /// So many messages; the newest's place.
    Counted(u64, i64),
    /// These messages, oldest first.
    Read(Vec<StoredMessage>),
    /// These statuses, oldest first.
    ReadStatuses(Vec<StoredStatus>),
    /// One result for each write.
    Written(Vec<Written>),
    /// The database failed.
    Failed,
}

/// What a write came to.
#[derive(Debug)]
pub enum Written {
    /// The message is durable at this place; whether it was not there before.
    Stored(i64, bool),
    /// The device is no more.
    Gone,
    /// The account's store is full.
    Full,
    /// These rows were settled.
    Settled(Vec<SettledRow>),
    /// So many rows.
    Rows(u64),
}

/// A status for another device, to be passed to its mailbox if that is awake.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    /// The device that sent the message.
    pub device: DeviceKey,
    /// What became of it.
    pub status: StatusUpdate,
}

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

/// A link and what is known of its device.
#[derive(Debug)]
struct Connected {
    link: Link,
    greeted: bool,
    count: Count,
    /// Rows in the store, as counted and as changed by this mailbox since.
    stored: u64,
    /// Whether the store is to be read even if nothing seems to be missing.
    look: bool,
    /// Rows sent over this link and not yet acknowledged.
    on_device: HashSet<i64>,
    /// The newest row at connect, until everything up to it has been sent.
    horizon: Option<i64>,
    statuses: Statuses,
}

/// Whether the number of stored rows is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Wanted,
    Running,
    Known,
}

#[derive(Debug)]
struct InFlight {
    message: Arc<Delivered>,
    replies: Vec<oneshot::Sender<Outcome>>,
    until: Instant,
}

#[derive(Debug)]
struct Queued {
    op: Op,
    replies: Vec<oneshot::Sender<Outcome>>,
    done: Option<oneshot::Sender<Option<u64>>>,
    /// The link that the message was sent over before it was spilled.
    sent_over: Option<u64>,
    /// Whose message a `PutStatus` settles.
    notice: Option<Notice>,
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
            Input::Deliver { message, reply } => self.deliver(message, reply, now),
            Input::Connect(link) => self.connect(link),
            Input::Disconnect(id) => self.disconnect(id),
            Input::Settle { which, state, code, done } => self.settle(which, state, code, done),
            Input::AcknowledgeStatuses { ids, state, done } => {
                if let Some(link) = &mut self.link {
                    link.statuses.acknowledged(&ids, state);
                }
                self.queue.push_back(Queued { done, ..Queued::of(Op::AcknowledgeStatuses(ids, state)) });
            }
            Input::Status(status) => {
                if let Some(link) = self.link.as_mut().filter(|link| link.greeted) {
                    link.statuses.tell(status, &link.link.frames);
                }
            }
            Input::LookAgain => {
                if let Some(link) = &mut self.link {
                    link.look_again();
                }
            }
            Input::Keys(keys) => self.send(ServerFrame::Keys { keys }),
            Input::EndSession(session) => {
                if self.link.as_ref().is_some_and(|link| link.link.session == session) {
                    self.close(4401, "the session has ended");
                }
            }
            Input::EndAll => self.close(4401, "the session has ended"),
            Input::Shutdown => {
                self.shut = true;
                self.spill();
            }
        }
    }

    /// When [`Mailbox::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.window.front().map(|oldest| oldest.until)
    }

    /// Spills the window if its oldest message has waited long enough.
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
        let writing = self.writing.take();
        if let Some(link) =
            self.link.as_mut().filter(|link| matches!(done, Done::Failed) && link.count == Count::Running)
        {
            link.count = Count::Wanted;
        }
        match (done, writing) {
            (Done::Counted(stored, newest), _) => self.counted(stored, newest),
            (Done::Read(rows), _) => self.read(rows),
            (Done::ReadStatuses(rows), _) => {
                if let Some(link) = &mut self.link {
                    link.statuses.read(rows, &link.link.frames);
                }
                self.tell_drained();
            }
            (Done::Written(results), Some(writing)) => return self.written(writing, results),
            (Done::Failed, writing) => self.failed(writing.unwrap_or_default()),
            (Done::Written(_), None) => {}
        }
        Vec::new()
    }

    /// Whether it takes another input; while the database is behind, whoever brings more waits.
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE
    }

    /// Whether it may fall asleep.
    pub fn is_idle(&self) -> bool {
        self.link.is_none() && self.window.is_empty() && self.queue.is_empty() && !self.busy
    }

    fn choose_job(&mut self) -> Option<Job> {
        if let Some(link) = self.link.as_mut().filter(|link| link.count == Count::Wanted) {
            link.count = Count::Running;
            return Some(Job::Count);
        }
        let read = self.link.as_ref().is_some_and(Connected::wants_messages);
        let write = !self.queue.is_empty() && !(read && self.last_was_write);
        if write {
            let ops = self.queue.drain(..).collect::<Vec<_>>();
            let job = Job::Write(ops.iter().map(|queued| queued.op.clone()).collect());
            self.writing = Some(ops);
            return Some(job);
        }
        if read {
            return Some(Job::Read(WINDOW));
        }
        let statuses = self.link.as_ref().filter(|link| link.greeted && link.statuses.wants_more());
        statuses.map(|_| Job::ReadStatuses(super::statuses::WINDOW))
    }

    /// Whether a message may go straight to the device.
    fn is_online(&self) -> bool {
        let quiet = self.queue.is_empty() && self.writing.is_none() && !self.shut;
        quiet && self.link.as_ref().is_some_and(|link| link.greeted && link.count == Count::Known && link.stored == 0)
    }

    fn deliver(&mut self, message: Arc<Delivered>, reply: oneshot::Sender<Outcome>, now: Instant) {
        if let Some(copy) = self.window.iter_mut().find(|one| same(&one.message, &message)) {
            copy.replies.push(reply);
            return;
        }
        if self.is_online() && self.window.len() < WINDOW && self.send_message(&message) {
            self.window.push_back(InFlight { message, replies: vec![reply], until: now + WAIT });
            return;
        }
        self.spill();
        self.queue.push_back(Queued { replies: vec![reply], ..Queued::of(Op::Store(message)) });
    }

    fn spill(&mut self) {
        let sent_over = self.link.as_ref().map(|link| link.link.id);
        for one in self.window.drain(..) {
            self.queue.push_back(Queued { replies: one.replies, sent_over, ..Queued::of(Op::Store(one.message)) });
        }
    }

    fn connect(&mut self, link: Link) {
        self.close(4409, "the same device connected elsewhere");
        self.spill();
        self.link = Some(Connected::new(link));
    }

    fn disconnect(&mut self, id: u64) {
        if self.link.as_ref().is_some_and(|link| link.link.id == id) {
            self.spill();
            self.link = None;
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
        self.queue.push_back(Queued { done, ..Queued::of(Op::Settle(which, state, code)) });
    }

    /// The device refuses a message of the window: its sender is told durably, as of a stored one.
    fn refuse(&mut self, one: InFlight, state: State, code: Option<Code>) {
        let Some(account) = one.message.sender_id else {
            answer(one.replies, Outcome::Settled);
            return;
        };
        let device = DeviceKey { account, device: one.message.sender_device };
        let (message_id, sender) = (one.message.id, self.address.clone());
        let notice = Notice { device, status: update(vec![message_id], state, &self.address, code) };
        let op = Op::PutStatus(NewStatus { device, message_id, state, sender, code });
        self.queue.push_back(Queued { replies: one.replies, notice: Some(notice), ..Queued::of(op) });
    }

    fn counted(&mut self, stored: u64, newest: i64) {
        let Some(link) = &mut self.link else { return };
        if link.count == Count::Running {
            link.count = Count::Known;
        }
        link.stored = stored;
        if !link.greeted {
            link.greeted = true;
            link.horizon = Some(newest);
            let _ = link.link.frames.try_send(Outgoing::Hello { pending: stored });
        }
        self.tell_drained();
    }

    fn read(&mut self, rows: Vec<StoredMessage>) {
        let Some(link) = self.link.as_mut().filter(|link| link.greeted) else { return };
        let whole = rows.len() < WINDOW;
        let reached = if whole { i64::MAX } else { rows.last().map_or(0, |row| row.seq) };
        if whole {
            link.stored = rows.len() as u64;
        }
        link.look = false;
        // What another process settled is no longer awaited.
        link.on_device.retain(|seq| *seq > reached || rows.iter().any(|row| row.seq == *seq));
        for row in rows {
            if link.on_device.contains(&row.seq) {
                continue;
            }
            if link.on_device.len() >= WINDOW
                || link.link.frames.try_send(Outgoing::Message(Arc::new(row.message))).is_err()
            {
                return;
            }
            link.on_device.insert(row.seq);
        }
        if link.horizon.is_some_and(|horizon| horizon <= reached) {
            link.horizon = Some(0);
        }
        self.tell_drained();
    }

    /// Says `drained` once, when everything that was stored at connect has been sent.
    fn tell_drained(&mut self) {
        let Some(link) = &mut self.link else { return };
        let nothing = link.stored == 0 || link.horizon == Some(0);
        if link.greeted && link.horizon.is_some() && nothing && link.statuses.is_known() {
            link.horizon = None;
            let _ = link.link.frames.try_send(Outgoing::Frame(ServerFrame::Drained { drained: true }));
        }
    }

    fn written(&mut self, writing: Vec<Queued>, results: Vec<Written>) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (queued, result) in writing.into_iter().zip(results) {
            let Queued { op, replies, done, sent_over, notice } = queued;
            let mut rows = 0;
            match result {
                Written::Stored(seq, new) => {
                    self.stored(seq, new, sent_over);
                    answer(replies, Outcome::Stored);
                }
                Written::Gone => answer(replies, Outcome::Gone),
                Written::Full => answer(replies, Outcome::Full),
                Written::Settled(settled) => {
                    rows = settled.len() as u64;
                    self.settled(&settled);
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
        self.tell_drained();
        merge(notices)
    }

    fn stored(&mut self, seq: i64, new: bool, sent_over: Option<u64>) {
        let Some(link) = &mut self.link else { return };
        link.stored += u64::from(new);
        if sent_over == Some(link.link.id) {
            link.on_device.insert(seq);
        }
    }

    fn settled(&mut self, rows: &[SettledRow]) {
        let Some(link) = &mut self.link else { return };
        link.stored = link.stored.saturating_sub(rows.len() as u64);
        for row in rows {
            link.on_device.remove(&row.seq);
        }
    }

    fn notice(&self, row: &SettledRow, state: State, code: Option<Code>) -> Option<Notice> {
        Some(Notice { device: row.sender?, status: update(vec![row.message_id], state, &self.address, code) })
    }

    /// The database failed. What is stored is unknown: it is counted, and read again, once the database answers.
    fn failed(&mut self, writing: Vec<Queued>) {
        let wrote = !writing.is_empty();
        for queued in writing {
            answer(queued.replies, Outcome::Failed);
            if let Some(done) = queued.done {
                let _ = done.send(None);
            }
        }
        if let Some(link) = self.link.as_mut().filter(|_| wrote) {
            link.on_device.clear();
            link.look_again();
        }
    }

    fn send(&self, frame: ServerFrame) {
        if let Some(link) = &self.link {
            let _ = link.link.frames.try_send(Outgoing::Frame(frame));
        }
    }

    fn send_message(&self, message: &Arc<Delivered>) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.link.frames.try_send(Outgoing::Message(message.clone())).is_ok())
    }

    fn close(&self, code: u16, reason: &'static str) {
        if let Some(link) = &self.link {
            let _ = link.link.frames.try_send(Outgoing::Close(code, reason));
        }
    }
}

impl Connected {
    fn new(link: Link) -> Self {
        Self {
            link,
            greeted: false,
            count: Count::Wanted,
            stored: 0,
            look: false,
            on_device: HashSet::new(),
            horizon: None,
            statuses: Statuses::default(),
        }
    }

    /// Whether there is something to read, and room for it: refilled at half, so that a read is worth it.
    fn wants_messages(&self) -> bool {
        let more = self.stored > self.on_device.len() as u64 && self.on_device.len() <= WINDOW / 2;
        self.greeted && (more || self.look)
    }

    /// The store may have changed without this mailbox.
    fn look_again(&mut self) {
        self.count = Count::Wanted;
        self.look = true;
        self.statuses.look_again();
    }
}

impl Queued {
    fn of(op: Op) -> Self {
        Self { op, replies: Vec::new(), done: None, sent_over: None, notice: None }
    }
}

/// A status as the message's sender is told it.
pub(super) fn update(ids: Vec<MessageId>, state: State, sender: &Address, code: Option<Code>) -> StatusUpdate {
    match ids.as_slice() {
        [id] => StatusUpdate { message_id: Some(*id), message_ids: Vec::new(), state, sender: sender.clone(), code },
        _ => StatusUpdate { message_id: None, message_ids: ids, state, sender: sender.clone(), code },
    }
}

fn same(one: &Delivered, other: &Delivered) -> bool {
    one.id == other.id && one.sender_device == other.sender_device && one.sender == other.sender
}

fn means(which: &MessageSelector, message: &Delivered) -> bool {
    match which {
        MessageSelector::Triple(sender, device, id) => {
            *id == message.id && *device == message.sender_device && *sender == message.sender
        }
        MessageSelector::Id(id) => *id == message.id,
    }
}

fn answer(replies: Vec<oneshot::Sender<Outcome>>, outcome: Outcome) {
    for reply in replies {
        // A sender that is gone will send the message again.
        let _ = reply.send(outcome);
    }
}

/// Joins notices to the same device that say the same.
fn merge(notices: Vec<Notice>) -> Vec<Notice> {
    let mut merged: Vec<Notice> = Vec::new();
    for notice in notices {
        let alike = |one: &&mut Notice| {
            one.device == notice.device
                && one.status.state == notice.status.state
                && one.status.code == notice.status.code
                && one.status.ids().count() < missive_wire::MESSAGE_IDS_MAX
        };
        if let Some(one) = merged.iter_mut().rev().find(alike) {
            let ids = one.status.ids().chain(notice.status.ids()).collect();
            one.status = update(ids, notice.status.state, &notice.status.sender, notice.status.code);
        } else {
            merged.push(notice);
        }
    }
    merged
}
