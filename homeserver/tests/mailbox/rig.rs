//! A mailbox with a device and a store that are as simple as can be.
#![allow(dead_code)] // each test binary uses its part

use std::{collections::VecDeque, sync::Arc};

use homeserver::{
    hub::{
        Done, Frames, Input, Job, Link, Mailbox, Notice, Op, Outcome, Outgoing, Reading, Sending, SentBy, Towards,
        Turns, WAIT, Written,
    },
    model::{DeviceKey, MessageSelector, SettledRow, StoredMessage},
};
use missive_wire::{Address, Content, Delivered, DeviceId, State, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

/// A mailbox, its device's link, and the rows of a store that is as simple as can be.
pub struct Rig {
    pub mailbox: Mailbox,
    pub frames: Frames,
    pub now: Instant,
    pub alice: Uuid,
    pub rows: Vec<StoredMessage>,
    pub turns: Arc<Turns>,
    next: i64,
}

/// A sender that hears what became of one message.
#[derive(Default)]
pub struct Heard(Frames);

impl Heard {
    /// Starts a message to the account without an id, in so many copies.
    pub fn replies(&self, turns: &Arc<Turns>, id: Option<Uuid>, copies: usize) -> Vec<homeserver::hub::Reply> {
        let by = SentBy { frames: &self.0, turns };
        Sending::start(by, (Towards::Account(Uuid::nil()), address("bob")), (id, id.unwrap_or_default()), copies)
    }

    /// Its socket ends.
    pub fn end(&self) {
        self.0.end();
    }

    /// What it was told since the last look.
    pub fn outcome(&self) -> Option<Outcome> {
        let mut taken = VecDeque::new();
        self.0.take(&mut taken);
        match taken.pop_front() {
            Some(Outgoing::Told(_, _, outcome)) => Some(outcome),
            _ => None,
        }
    }
}

impl Rig {
    pub fn new() -> Self {
        let mailbox = Mailbox::new(address("bob"));
        Self {
            mailbox,
            frames: Frames::default(),
            now: Instant::now(),
            alice: Uuid::now_v7(),
            rows: Vec::new(),
            turns: Arc::default(),
            next: 1,
        }
    }

    pub fn connect(&mut self, id: u64) {
        self.connect_with(id, 512);
    }

    /// Connects over a link with so much room.
    pub fn connect_with(&mut self, id: u64, room: usize) {
        self.frames = Frames::with_room(room);
        self.input(Input::Connect(Link { id, session: Uuid::nil(), frames: self.frames.clone() }));
    }

    pub fn online() -> Self {
        let mut rig = Self::new();
        rig.connect(1);
        rig.settle_jobs();
        let frames = rig.received();
        assert!(matches!(frames[0], Outgoing::Hello { pending: 0 }), "{frames:?}");
        assert!(matches!(frames[1], Outgoing::Frame(_)), "{frames:?}");
        rig
    }

    pub fn input(&mut self, input: Input) {
        self.mailbox.input(input, self.now);
    }

    pub fn deliver(&mut self, message: &Arc<Delivered>) -> Heard {
        let heard = Heard::default();
        let reply = heard.replies(&self.turns, Some(message.id), 1).remove(0);
        self.input(Input::Deliver { message: message.clone(), reply, wait: WAIT });
        heard
    }

    pub fn received_says(&mut self, message: &Delivered) {
        let which = MessageSelector::Triple(message.sender.clone(), message.sender_device, message.id);
        self.input(Input::Settle { which, state: State::Received, code: None, done: None });
    }

    pub fn message(&self, n: u8) -> Arc<Delivered> {
        Arc::new(Delivered {
            id: Uuid::from_u128(u128::from(n)),
            sender: address("alice"),
            sender_id: Some(self.alice),
            sender_device: DeviceId::FIRST,
            kind: None,
            content: Content::encode(&[n]),
            sent_at: Timestamp::from_millis(0),
        })
    }

    /// Runs jobs against the simple store until there is none; returns the notices.
    pub fn settle_jobs(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(job) = self.mailbox.next_job() {
            let done = self.run(job);
            notices.extend(self.mailbox.done(done));
        }
        notices
    }

    pub fn run(&mut self, job: Job) -> Done {
        match job {
            Job::Count => Done::Counted(self.rows.len() as u64, self.rows.last().map_or(0, |row| row.seq)),
            Job::Read(reading) => Done::Read(oldest(&self.rows, &reading)),
            Job::ReadStatuses(_) => Done::ReadStatuses(Vec::new()),
            Job::Write(ops) => Done::Written(ops.into_iter().map(|op| self.write(op)).collect()),
        }
    }

    pub fn write(&mut self, op: Op) -> Written {
        match op {
            Op::Store(message) => {
                let seq = self.next;
                self.next += 1;
                self.rows.push(StoredMessage { seq, message: (*message).clone() });
                Written::Stored(seq, true)
            }
            Op::Settle(which, ..) => {
                let id = match which {
                    MessageSelector::Triple(_, _, id) | MessageSelector::Id(id) => id,
                    MessageSelector::Row(row) => row.message_id,
                };
                let sender = Some(DeviceKey { account: self.alice, device: DeviceId::FIRST });
                let gone = self.rows.extract_if(.., |row| row.message.id == id);
                Written::Settled(
                    gone.map(|row| SettledRow { seq: row.seq, sender, elsewhere: None, message_id: id }).collect(),
                )
            }
            Op::PutStatus(_) | Op::TellElsewhere(_) | Op::AcknowledgeStatuses(..) => Written::Rows(1),
        }
    }

    pub fn received(&mut self) -> Vec<Outgoing> {
        let mut taken = VecDeque::new();
        self.frames.take(&mut taken);
        taken.into()
    }

    /// The ids of the messages that the device was sent since the last look.
    pub fn messages(&mut self) -> Vec<u128> {
        self.received()
            .into_iter()
            .filter_map(|outgoing| match outgoing {
                Outgoing::Message(message) => Some(message.id.as_u128()),
                _ => None,
            })
            .collect()
    }
}

pub fn address(name: &str) -> Address {
    format!("{name}@one.example").parse().unwrap()
}

fn oldest(rows: &[StoredMessage], reading: &Reading) -> Vec<StoredMessage> {
    let wanted = |row: &&StoredMessage| row.seq >= reading.floor && !reading.except.contains(&row.seq);
    rows.iter().filter(wanted).take(reading.limit).cloned().collect()
}
