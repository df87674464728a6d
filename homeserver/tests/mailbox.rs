//! The hand-over's state machine, alone: what it tells a sender, and what it asks the database, in which order.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use homeserver::{
    hub::{Done, Input, Job, Link, Mailbox, Notice, Op, Outcome, Outgoing, WAIT, WINDOW, Written},
    model::{DeviceKey, MessageSelector, SettledRow, StoredMessage},
};
use missive_wire::{Address, Code, Content, Delivered, DeviceId, ServerFrame, State, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

/// A mailbox, its device's link, and the rows of a store that is as simple as can be.
struct Rig {
    mailbox: Mailbox,
    frames: mpsc::Receiver<Outgoing>,
    now: Instant,
    alice: Uuid,
    rows: Vec<StoredMessage>,
    next: i64,
}

impl Rig {
    fn new() -> Self {
        let mailbox = Mailbox::new(address("bob"));
        let (_, frames) = mpsc::channel(1);
        Self { mailbox, frames, now: Instant::now(), alice: Uuid::now_v7(), rows: Vec::new(), next: 1 }
    }

    fn connect(&mut self, id: u64) {
        let (sender, frames) = mpsc::channel(512);
        self.frames = frames;
        self.input(Input::Connect(Link { id, session: Uuid::nil(), frames: sender }));
    }

    fn online() -> Self {
        let mut rig = Self::new();
        rig.connect(1);
        rig.settle_jobs();
        let frames = rig.received();
        assert!(matches!(frames[0], Outgoing::Hello { pending: 0 }), "{frames:?}");
        assert!(matches!(frames[1], Outgoing::Frame(ServerFrame::Drained { .. })), "{frames:?}");
        rig
    }

    fn input(&mut self, input: Input) {
        self.mailbox.input(input, self.now);
    }

    fn deliver(&mut self, message: &Arc<Delivered>) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        self.input(Input::Deliver { message: message.clone(), reply });
        outcome
    }

    fn received_says(&mut self, message: &Delivered) {
        let which = MessageSelector::Triple(message.sender.clone(), message.sender_device, message.id);
        self.input(Input::Settle { which, state: State::Received, code: None, done: None });
    }

    fn message(&self, n: u8) -> Arc<Delivered> {
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
    fn settle_jobs(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(job) = self.mailbox.next_job() {
            let done = self.run(job);
            notices.extend(self.mailbox.done(done));
        }
        notices
    }

    fn run(&mut self, job: Job) -> Done {
        match job {
            Job::Count => Done::Counted(self.rows.len() as u64, self.rows.last().map_or(0, |row| row.seq)),
            Job::Read(limit) => Done::Read(self.rows.iter().take(limit).cloned().collect()),
            Job::ReadStatuses(_) => Done::ReadStatuses(Vec::new()),
            Job::Write(ops) => Done::Written(ops.into_iter().map(|op| self.write(op)).collect()),
        }
    }

    fn write(&mut self, op: Op) -> Written {
        match op {
            Op::Store(message) => {
                let seq = self.next;
                self.next += 1;
                self.rows.push(StoredMessage { seq, message: (*message).clone() });
                Written::Stored(seq, true)
            }
            Op::Settle(MessageSelector::Triple(_, _, id), ..) => {
                let sender = Some(DeviceKey { account: self.alice, device: DeviceId::FIRST });
                let gone = self.rows.extract_if(.., |row| row.message.id == id);
                Written::Settled(gone.map(|row| SettledRow { seq: row.seq, sender, message_id: id }).collect())
            }
            Op::Settle(MessageSelector::Id(_), ..) => panic!("not used here"),
            Op::PutStatus(_) | Op::AcknowledgeStatuses(..) => Written::Rows(1),
        }
    }

    fn received(&mut self) -> Vec<Outgoing> {
        std::iter::from_fn(|| self.frames.try_recv().ok()).collect()
    }

    /// The ids of the messages that the device was sent since the last look.
    fn messages(&mut self) -> Vec<u128> {
        self.received()
            .into_iter()
            .filter_map(|outgoing| match outgoing {
                Outgoing::Message(message) => Some(message.id.as_u128()),
                _ => None,
            })
            .collect()
    }
}

fn address(name: &str) -> Address {
    format!("{name}@one.example").parse().unwrap()
}

#[test]
fn an_acknowledged_message_touches_no_database() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let mut outcome = rig.deliver(&message);
    assert_eq!(rig.messages(), [1]);
    assert!(rig.mailbox.next_job().is_none());
    rig.received_says(&message);
    assert_eq!(outcome.try_recv(), Ok(Outcome::Received));
    assert!(rig.mailbox.next_job().is_none());
    assert!(rig.mailbox.deadline().is_none());
}

#[test]
fn an_unacknowledged_window_is_stored_whole_oldest_first_and_before_anything_newer() {
    let mut rig = Rig::online();
    let (first, second, third) = (rig.message(1), rig.message(2), rig.message(3));
    let mut outcomes = vec![rig.deliver(&first), rig.deliver(&second)];
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    outcomes.push(rig.deliver(&third));
    assert!(outcomes.iter_mut().all(|outcome| outcome.try_recv().is_err()), "nothing is told before the commit");
    rig.settle_jobs();
    assert!(outcomes.iter_mut().all(|outcome| outcome.try_recv() == Ok(Outcome::Stored)));
    assert_eq!(rig.rows.iter().map(|row| row.message.id.as_u128()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(rig.messages(), [1, 2, 3], "the third is drained; the first two are on the device already");
}

#[test]
fn a_device_with_a_backlog_gets_nothing_past_the_store() {
    let mut rig = Rig::online();
    let (first, second) = (rig.message(1), rig.message(2));
    let _outcome = rig.deliver(&first);
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    rig.settle_jobs();
    let mut outcome = rig.deliver(&second);
    assert!(outcome.try_recv().is_err());
    rig.settle_jobs();
    assert_eq!(outcome.try_recv(), Ok(Outcome::Stored));
    rig.received_says(&first);
    rig.received_says(&second);
    let notices = rig.settle_jobs();
    assert_eq!(notices.len(), 1, "both `received` are told in one frame: {notices:?}");
    assert_eq!(notices[0].status.ids().count(), 2);
    assert!(rig.rows.is_empty());

    let third = rig.message(3);
    let _outcome = rig.deliver(&third);
    assert!(rig.mailbox.next_job().is_none(), "with its backlog acknowledged the device is online again");
}

#[test]
fn an_acknowledgement_never_overtakes_its_insert() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let mut outcome = rig.deliver(&message);
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    let insert = rig.mailbox.next_job().unwrap();
    rig.received_says(&message);
    assert!(rig.mailbox.next_job().is_none(), "one job at a time");
    let done = rig.run(insert);
    rig.mailbox.done(done);
    assert_eq!(outcome.try_recv(), Ok(Outcome::Stored));
    let notices = rig.settle_jobs();
    assert_eq!(notices.len(), 1);
    assert!(rig.rows.is_empty(), "no row is left behind");
}

#[test]
fn a_lost_connection_stores_its_window_and_the_next_one_drains_it() {
    let mut rig = Rig::online();
    let messages = (1..=3).map(|n| rig.message(n)).collect::<Vec<_>>();
    let mut outcomes = messages.iter().map(|message| rig.deliver(message)).collect::<Vec<_>>();
    rig.input(Input::Disconnect(1));
    rig.settle_jobs();
    assert!(outcomes.iter_mut().all(|outcome| outcome.try_recv() == Ok(Outcome::Stored)));
    assert!(rig.mailbox.is_idle());
    rig.connect(2);
    rig.settle_jobs();
    let frames = rig.received();
    assert!(matches!(frames[0], Outgoing::Hello { pending: 3 }));
    assert!(matches!(frames.last(), Some(Outgoing::Frame(ServerFrame::Drained { .. }))), "{frames:?}");
    assert_eq!(frames.len(), 5);
}

#[test]
fn a_long_backlog_is_drained_in_windows_without_gap_or_double() {
    let mut rig = Rig::new();
    for n in 1..=200 {
        let message = rig.message(n);
        let _outcome = rig.deliver(&message);
    }
    rig.settle_jobs();
    rig.connect(1);
    rig.settle_jobs();
    let mut seen = rig.messages();
    assert_eq!(seen.len(), WINDOW, "no more than a window before the first acknowledgement");
    let mut acknowledged = 0;
    while acknowledged < seen.len() {
        let id = seen[acknowledged];
        acknowledged += 1;
        let message = rig.message(u8::try_from(id).unwrap());
        rig.received_says(&message);
        rig.settle_jobs();
        seen.extend(rig.messages());
        assert!(seen.len() - acknowledged <= WINDOW);
    }
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
    assert!(rig.rows.is_empty());
}

#[test]
fn a_full_window_goes_to_the_store() {
    let mut rig = Rig::online();
    let mut outcomes = Vec::new();
    for n in 1..=u8::try_from(WINDOW).unwrap() + 1 {
        let message = rig.message(n);
        outcomes.push(rig.deliver(&message));
    }
    rig.settle_jobs();
    assert!(outcomes.iter_mut().all(|outcome| outcome.try_recv() == Ok(Outcome::Stored)));
    assert_eq!(rig.messages().len(), WINDOW);
}

#[test]
fn a_copy_of_a_message_in_the_window_is_not_sent_twice() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let (mut first, mut second) = (rig.deliver(&message), rig.deliver(&message));
    assert_eq!(rig.messages(), [1]);
    rig.received_says(&message);
    assert_eq!((first.try_recv(), second.try_recv()), (Ok(Outcome::Received), Ok(Outcome::Received)));
}

#[test]
fn a_failed_write_is_told_as_such_and_what_is_stored_is_counted_again() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.settle_jobs();
    let message = rig.message(1);
    let mut outcome = rig.deliver(&message);
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Write(_))));
    rig.mailbox.done(Done::Failed);
    assert_eq!(outcome.try_recv(), Ok(Outcome::Failed));
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Count)), "whether the row is there is unknown");
}

#[test]
fn a_refused_message_of_the_window_is_told_durably() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let mut outcome = rig.deliver(&message);
    let which = MessageSelector::Triple(message.sender.clone(), DeviceId::FIRST, message.id);
    let code = Some(Code::Undecryptable);
    rig.input(Input::Settle { which, state: State::Undeliverable, code, done: None });
    assert!(outcome.try_recv().is_err());
    let notices = rig.settle_jobs();
    assert_eq!(outcome.try_recv(), Ok(Outcome::Settled));
    assert_eq!(notices[0].status.state, State::Undeliverable);
    assert_eq!(notices[0].device.account, rig.alice);
}

#[test]
fn a_newer_connection_of_the_device_wins() {
    let mut rig = Rig::online();
    let (sender, mut newer) = mpsc::channel(512);
    rig.input(Input::Connect(Link { id: 2, session: Uuid::nil(), frames: sender }));
    assert!(matches!(rig.received()[..], [Outgoing::Close(4409, _)]));
    rig.settle_jobs();
    assert!(matches!(newer.try_recv(), Ok(Outgoing::Hello { .. })));
    rig.input(Input::Disconnect(1));
    let message = rig.message(1);
    let _outcome = rig.deliver(&message);
    assert!(rig.mailbox.next_job().is_none(), "the older connection's end does not end the newer");
}

#[test]
fn a_shutdown_stores_what_waits() {
    let mut rig = Rig::online();
    let (first, second) = (rig.message(1), rig.message(2));
    let mut outcome = rig.deliver(&first);
    rig.input(Input::Shutdown);
    let mut late = rig.deliver(&second);
    rig.settle_jobs();
    assert_eq!((outcome.try_recv(), late.try_recv()), (Ok(Outcome::Stored), Ok(Outcome::Stored)));
}

#[test]
fn what_another_process_settles_is_not_waited_for() {
    let mut rig = Rig::new();
    for n in 1..=40 {
        let message = rig.message(n);
        let _outcome = rig.deliver(&message);
    }
    rig.connect(1);
    rig.settle_jobs();
    assert_eq!(rig.messages().len(), 40);
    rig.rows.clear();
    rig.input(Input::LookAgain);
    rig.settle_jobs();
    let message = rig.message(41);
    let mut outcome = rig.deliver(&message);
    assert!(rig.mailbox.next_job().is_none(), "nothing is stored: the device is online");
    rig.received_says(&message);
    assert_eq!(outcome.try_recv(), Ok(Outcome::Received));
}

#[test]
fn a_count_that_fails_is_asked_again() {
    let mut rig = Rig::new();
    rig.connect(1);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Count)));
    rig.mailbox.done(Done::Failed);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Count)));
}
