//! A mailbox between a sender, a device and a database that may do anything that real ones may.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use homeserver::{
    hub::{
        Done, Frames, Input, Job, Link, Mailbox, Op, Outcome, Outgoing, Reading, Sending, SentBy, Towards, Turns, WAIT,
        Written,
    },
    model::{DeviceKey, MessageSelector, SettledRow, StoredMessage},
};
use missive_wire::{Address, Content, Delivered, DeviceId, State, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Send,
    SendMany(usize),
    SenderReconnects,
    /// The database takes the next job …
    StartJob,
    /// … and answers it.
    FinishJob,
    /// The database refuses the job.
    FailJob,
    /// The database does the job, and its answer gets lost.
    LoseCommitAnswer,
    /// The device acknowledges the n-th message it owes.
    Acknowledge(usize),
    AcknowledgeTwice(usize),
    /// The device has acknowledged, but that gets lost.
    LoseAcknowledgement(usize),
    /// The wait in memory ends.
    Wait,
    Connect,
    Disconnect,
    /// The server dies and starts again.
    Crash,
    LookAgain,
    /// The sender sends what it was told nothing of.
    Resend,
}

/// A fault that the model must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Messages are stored newest first.
    SpillOutOfOrder,
    /// Acknowledgements are written before the messages they are of.
    AcknowledgementFirst,
    /// The answer comes before the commit, which a crash then undoes.
    SentBeforeCommit,
    /// The mailbox believes a write done that still runs.
    OnlineWithQueuedWrite,
}

/// What the sender knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Sent,
    Received,
}

pub struct Rig {
    fault: Option<Fault>,
    mailbox: Mailbox,
    now: Instant,
    links: u64,
    connected: bool,
    frames: Frames,
    /// The database: rows in order, and writes whose answer went out before them.
    rows: Vec<StoredMessage>,
    next_row: i64,
    late: Vec<Vec<Op>>,
    job: Option<Job>,
    /// The sender: what it knows, and whom it waits for.
    sender: Uuid,
    turns: Arc<Turns>,
    outbox: BTreeMap<u64, Known>,
    waiting: Vec<u64>,
    told: Frames,
    /// The device: what it shows in order, and what it owes an acknowledgement.
    shown: Vec<u64>,
    seen: BTreeSet<u64>,
    owed: VecDeque<u64>,
    /// Whether an acknowledgement over this link got lost.
    lost: bool,
}

impl Rig {
    pub fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            mailbox: mailbox(),
            now: Instant::now(),
            links: 0,
            connected: false,
            frames: Frames::default(),
            rows: Vec::new(),
            next_row: 1,
            late: Vec::new(),
            job: None,
            sender: Uuid::from_u128(1),
            turns: Arc::default(),
            outbox: BTreeMap::new(),
            waiting: Vec::new(),
            told: Frames::default(),
            shown: Vec::new(),
            seen: BTreeSet::new(),
            owed: VecDeque::new(),
            lost: false,
        }
    }

    pub fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Send => self.send(),
            Step::SendMany(count) => (0..count).for_each(|_| self.send()),
            Step::StartJob => self.start_job(),
            Step::FinishJob => self.finish_job(),
            Step::FailJob => self.fail_job(false),
            Step::LoseCommitAnswer => self.fail_job(true),
            Step::Acknowledge(n) => self.acknowledge(n, 1),
            Step::AcknowledgeTwice(n) => self.acknowledge(n, 2),
            Step::LoseAcknowledgement(n) => self.acknowledge(n, 0),
            Step::Wait => {
                self.now += WAIT;
                self.mailbox.expire(self.now);
            }
            Step::SenderReconnects => self.sender_reconnects(),
            Step::Connect => self.connect(),
            Step::Disconnect => self.disconnect(),
            Step::Crash => self.crash(),
            Step::LookAgain => self.input(Input::LookAgain),
            Step::Resend => self.resend(),
        }
        self.look()
    }

    /// Lets everything come to rest on a good day, and looks at what there is.
    pub fn settle(&mut self) -> Result<(), String> {
        if self.connected && !self.lost {
            self.rest()?;
            self.nothing_left()?;
        }
        self.connect();
        for _ in 0..10_000 {
            self.start_job();
            self.finish_job();
            self.look()?;
            while !self.owed.is_empty() {
                self.acknowledge(0, 1);
                self.look()?;
            }
            let quiet = self.job.is_none() && self.waiting.is_empty();
            if quiet && self.outbox.values().all(|known| *known != Known::Nothing) {
                break;
            }
            if quiet {
                self.resend();
            }
        }
        self.rest()?;
        self.all_arrived()?;
        self.nothing_left()
    }

    /// The database answers, and the device acknowledges, until neither has anything to do.
    fn rest(&mut self) -> Result<(), String> {
        loop {
            self.start_job();
            self.look()?;
            if self.job.is_none() && self.late.is_empty() && (self.owed.is_empty() || !self.connected) {
                return Ok(());
            }
            self.finish_job();
            self.look()?;
            while self.connected && !self.owed.is_empty() {
                self.acknowledge(0, 1);
            }
        }
    }

    fn all_arrived(&self) -> Result<(), String> {
        let told = self.outbox.iter().filter(|(_, known)| **known != Known::Nothing);
        if let Some((n, known)) = told.into_iter().find(|(n, _)| !self.seen.contains(n)) {
            return Err(format!("lost: {n} was told {known:?} and never arrived"));
        }
        if let Some(n) = self.outbox.keys().find(|n| !self.seen.contains(n)) {
            return Err(format!("lost: {n} never arrived"));
        }
        Ok(())
    }

    fn nothing_left(&self) -> Result<(), String> {
        match self.rows.first() {
            Some(row) => Err(format!("left behind: message {} is still stored", row.message.id.as_u128())),
            None => Ok(()),
        }
    }

    /// What must hold after every step.
    fn look(&mut self) -> Result<(), String> {
        self.hear_outcomes()?;
        for outgoing in taken(&self.frames) {
            let Outgoing::Message(message) = outgoing else { continue };
            let n = u64::try_from(message.id.as_u128()).unwrap();
            if self.seen.insert(n) {
                if self.shown.last().is_some_and(|last| *last > n) {
                    return Err(format!("order: {n} came after {:?}", self.shown.last()));
                }
                self.shown.push(n);
            }
            self.owed.push_back(n);
        }
        let stored = self.rows.iter().map(|row| row.message.id).collect::<BTreeSet<_>>();
        if stored.len() < self.rows.len() {
            return Err("doubled: a message is stored twice".into());
        }
        Ok(())
    }

    fn hear_outcomes(&mut self) -> Result<(), String> {
        for outgoing in taken(&self.told) {
            let Outgoing::Told(id, _, outcome) = outgoing else { continue };
            let n = u64::try_from(id.as_u128()).unwrap();
            let Some(place) = self.waiting.iter().position(|waiting| *waiting == n) else {
                return Err(format!("{n} was told twice"));
            };
            self.waiting.remove(place);
            let known = match outcome {
                Outcome::Received if !self.seen.contains(&n) => return Err(format!("{n} was told received")),
                Outcome::Received => Known::Received,
                Outcome::Stored => Known::Sent,
                Outcome::Failed | Outcome::AfterFailed => continue,
                other => return Err(format!("{n} was told {other:?}")),
            };
            let before = self.outbox.get_mut(&n).unwrap();
            if *before == Known::Nothing || known == Known::Received {
                *before = known;
            }
        }
        Ok(())
    }

    fn send(&mut self) {
        // The sender need not wait for a failure to be told before it sends the next: the turns keep order.
        if self.waiting.len() >= 64 {
            return;
        }
        let n = self.outbox.len() as u64 + 1;
        self.outbox.insert(n, Known::Nothing);
        self.deliver(n);
    }

    /// Everything that nothing is known of, in order, once all that is under way has been answered.
    fn resend(&mut self) {
        if !self.waiting.is_empty() {
            return;
        }
        let unknown = self.outbox.iter().filter(|(_, known)| **known == Known::Nothing).map(|(n, _)| *n);
        for n in unknown.collect::<Vec<_>>() {
            self.deliver(n);
        }
    }

    fn deliver(&mut self, n: u64) {
        let message = self.message(n);
        self.turns.come(message.id);
        let by = SentBy { frames: &self.told, turns: &self.turns };
        let ids = (Some(message.id), message.id);
        self.waiting.push(n);
        for reply in Sending::start(by, (Towards::Account(Uuid::nil()), address("bob")), ids, 1) {
            self.input(Input::Deliver { message: message.clone(), reply, wait: WAIT });
        }
    }

    fn acknowledge(&mut self, n: usize, times: usize) {
        if self.owed.is_empty() || !self.connected {
            return;
        }
        let Some(n) = self.owed.remove(n % self.owed.len()) else { return };
        self.lost |= times == 0;
        for _ in 0..times {
            let which = MessageSelector::Triple(address("alice"), DeviceId::FIRST, Uuid::from_u128(n.into()));
            self.input(Input::Settle { which, state: State::Received, code: None, done: None });
        }
    }

    fn connect(&mut self) {
        self.links += 1;
        self.frames = Frames::with_room(1024);
        self.owed.clear();
        self.lost = false;
        self.connected = true;
        self.input(Input::Connect(Link { id: self.links, session: Uuid::nil(), frames: self.frames.clone() }));
    }

    fn disconnect(&mut self) {
        if self.connected {
            self.connected = false;
            self.owed.clear();
            self.frames = Frames::default();
            self.input(Input::Disconnect(self.links));
        }
    }

    /// Memory is gone; the database keeps what was committed.
    fn crash(&mut self) {
        self.mailbox = mailbox();
        self.job = None;
        self.late.clear();
        self.connected = false;
        self.owed.clear();
        self.frames = Frames::default();
        self.sender_reconnects();
    }

    /// The sender connects anew, and first sends again what it knows nothing of.
    fn sender_reconnects(&mut self) {
        self.waiting.clear();
        self.told = Frames::default();
        self.turns = Arc::default();
        self.resend();
    }

    fn start_job(&mut self) {
        if self.job.is_none() {
            self.job = self.mailbox.next_job();
        }
    }

    fn finish_job(&mut self) {
        // A write that was answered early is done only now.
        for ops in std::mem::take(&mut self.late) {
            self.write(ops);
        }
        let Some(job) = self.job.take() else { return };
        let done = match job {
            Job::Count => Done::Counted(self.rows.len() as u64, self.rows.last().map_or(0, |row| row.seq)),
            Job::Read(reading) => Done::Read(oldest(&self.rows, &reading)),
            Job::ReadStatuses(_) => Done::ReadStatuses(Vec::new()),
            Job::Write(ops) => self.answer_write(ops),
        };
        self.mailbox.done(done);
    }

    fn answer_write(&mut self, mut ops: Vec<Op>) -> Done {
        match self.fault {
            Some(Fault::SentBeforeCommit) => {
                let (rows, next) = (self.rows.clone(), self.next_row);
                let done = self.write(ops.clone());
                (self.rows, self.next_row) = (rows, next);
                self.late.push(ops);
                done
            }
            Some(Fault::OnlineWithQueuedWrite) => {
                let nothing = |op: &Op| match op {
                    Op::Store(_) => Written::Stored(0, false),
                    Op::Settle(..) => Written::Settled(Vec::new()),
                    _ => Written::Rows(1),
                };
                let done = Done::Written(ops.iter().map(nothing).collect());
                self.late.push(ops);
                done
            }
            Some(Fault::SpillOutOfOrder) => {
                ops.reverse();
                let Done::Written(mut written) = self.write(ops) else { return Done::Failed };
                written.reverse();
                Done::Written(written)
            }
            Some(Fault::AcknowledgementFirst) => {
                let places = (0..ops.len()).collect::<Vec<_>>();
                let (first, then): (Vec<_>, Vec<_>) =
                    places.into_iter().partition(|place| matches!(ops[*place], Op::Settle(..)));
                let order = [first, then].concat();
                let Done::Written(written) = self.write(order.iter().map(|place| ops[*place].clone()).collect()) else {
                    return Done::Failed;
                };
                let mut in_place = order.into_iter().zip(written).collect::<Vec<_>>();
                in_place.sort_by_key(|(place, _)| *place);
                Done::Written(in_place.into_iter().map(|(_, written)| written).collect())
            }
            None => self.write(ops),
        }
    }

    fn fail_job(&mut self, committed: bool) {
        match self.job.take() {
            Some(Job::Write(ops)) if committed => drop(self.write(ops)),
            Some(_) => {}
            None => return,
        }
        self.mailbox.done(Done::Failed);
    }

    fn write(&mut self, ops: Vec<Op>) -> Done {
        Done::Written(ops.into_iter().map(|op| self.write_one(op)).collect())
    }

    fn write_one(&mut self, op: Op) -> Written {
        match op {
            Op::Store(message) => {
                if let Some(row) = self.rows.iter().find(|row| row.message.id == message.id) {
                    return Written::Stored(row.seq, false);
                }
                let seq = self.next_row;
                self.next_row += 1;
                self.rows.push(StoredMessage { seq, message: (*message).clone() });
                Written::Stored(seq, true)
            }
            Op::Settle(which, ..) => {
                let sender = Some(DeviceKey { account: self.sender, device: DeviceId::FIRST });
                let gone = self.rows.extract_if(.., |row| match &which {
                    MessageSelector::Triple(_, _, id) | MessageSelector::Id(id) => row.message.id == *id,
                    MessageSelector::Row(known) => row.seq == known.seq,
                });
                let settled =
                    gone.map(|row| SettledRow { seq: row.seq, sender, elsewhere: None, message_id: row.message.id });
                Written::Settled(settled.collect())
            }
            Op::PutStatus(_) | Op::TellElsewhere(_) | Op::AcknowledgeStatuses(..) => Written::Rows(1),
        }
    }

    fn input(&mut self, input: Input) {
        self.mailbox.input(input, self.now);
    }

    fn message(&self, n: u64) -> Arc<Delivered> {
        Arc::new(Delivered {
            id: Uuid::from_u128(n.into()),
            sender: address("alice"),
            sender_id: Some(self.sender),
            sender_device: DeviceId::FIRST,
            kind: None,
            content: Content::encode(b"x"),
            sent_at: Timestamp::from_millis(0),
        })
    }
}

fn taken(frames: &Frames) -> VecDeque<Outgoing> {
    let mut taken = VecDeque::new();
    frames.take(&mut taken);
    taken
}

fn mailbox() -> Mailbox {
    Mailbox::new(address("bob"))
}

fn address(name: &str) -> Address {
    format!("{name}@one.example").parse().unwrap()
}

fn oldest(rows: &[StoredMessage], reading: &Reading) -> Vec<StoredMessage> {
    let wanted = |row: &&StoredMessage| row.seq >= reading.floor && !reading.except.contains(&row.seq);
    rows.iter().filter(wanted).take(reading.limit).cloned().collect()
}
