//! A mailbox with a device and a store that are as simple as can be.
#![allow(dead_code)] // each test binary uses its part

use std::sync::Arc;

use homeserver::{
    hub::{Done, Input, Job, Link, Mailbox, Notice, Op, Outcome, Outgoing, Reply, Turns, Written},
    model::{DeviceKey, MessageSelector, SettledRow, StoredMessage},
};
use missive_wire::{Address, Content, Delivered, DeviceId, State, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

/// A mailbox, its device's link, and the rows of a store that is as simple as can be.
pub struct Rig {
    pub mailbox: Mailbox,
    pub frames: mpsc::Receiver<Outgoing>,
    pub now: Instant,
    pub alice: Uuid,
    pub rows: Vec<StoredMessage>,
    pub turns: Arc<Turns>,
    next: i64,
}

impl Rig {
    pub fn new() -> Self {
        let mailbox = Mailbox::new(address("bob"));
        let (_, frames) = mpsc::channel(1);
        Self {
            mailbox,
            frames,
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
        let (sender, frames) = mpsc::channel(room);
        self.frames = frames;
        self.input(Input::Connect(Link { id, session: Uuid::nil(), frames: sender }));
    }

    pub fn online() -> Self {
        let mut rig = Self::new();
        rig.connect(1);
        rig.settle_jobs();
        let frames = rig.received();
        assert!(matches!(frames[0], Outgoing::Hello { pending: 0 }), "{frames:?}");
        assert!(matches!(frames[1], Outgoing::Frame(missive_wire::ServerFrame::Drained { .. })), "{frames:?}");
        rig
    }

    pub fn input(&mut self, input: Input) {
        self.mailbox.input(input, self.now);
    }

    pub fn deliver(&mut self, message: &Arc<Delivered>) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = Reply::new(self.turns.clone(), Uuid::nil(), Some(message.id));
        self.input(Input::Deliver { message: message.clone(), reply });
        outcome
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
            Job::Read(limit) => Done::Read(self.rows.iter().take(limit).cloned().collect()),
            Job::ReadStatuses(_) => Done::ReadStatuses(Vec::new()),
            Job::Write(ops) => Done::Written(ops.into_iter().map(|op| self.write(op)).collect()),
        }
    }

    pub fn write(&mut self, op: Op) -> Written {
        match op {
            Op::Store(message) => {
                let seq = self.next;
                self.next += 1;
                self.rows.push(StoredMessage { seq, message: (*message).clone(), bytes: 0 });
                Written::Stored(seq, true)
            }
            Op::Settle(MessageSelector::Triple(_, _, id), ..) => {
                let sender = Some(DeviceKey { account: self.alice, device: DeviceId::FIRST });
                let gone = self.rows.extract_if(.., |row| row.message.id == id);
                Written::Settled(gone.map(|row| SettledRow { seq: row.seq, sender, message_id: id }).collect())
            }
            Op::Settle(MessageSelector::Id(_) | MessageSelector::Row(_), ..) => panic!("not used here"),
            Op::PutStatus(_) | Op::AcknowledgeStatuses(..) => Written::Rows(1),
        }
    }

    pub fn received(&mut self) -> Vec<Outgoing> {
        std::iter::from_fn(|| self.frames.try_recv().ok()).collect()
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
