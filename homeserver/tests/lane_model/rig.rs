//! A lane between senders, a database and another homeserver that may do anything that real ones may.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use homeserver::{
    hub::{Destination, LaneStep, Lanes, Probe, Reply, Unanswered, Undriven},
    model::{NewEnvelope, OutboxRow},
};
use missive_wire::{EnvelopeResult, State, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    peer::Peer,
    sender::{Known, PAIRS, Sender, lane, pair_of},
    store::{Database, End, Write},
};

/// Rows of a page.
const PAGE: usize = 8;

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Send(usize),
    SendMany(usize, usize),
    /// The driver looks what to do, if anything has woken it.
    Drive,
    /// The database answers a write.
    Write(Write),
    /// What is done about a transaction goes on by a step.
    GoOn(Answer),
    /// What is done about a transaction fails.
    GiveUp,
    /// So many milliseconds pass.
    Pass(u64),
    /// So many stored messages expire.
    Expire(usize),
    LookAgain(bool),
    /// The other homeserver says that it is back.
    TryNow,
    /// The second in which homeservers are looked for that are due.
    Tick,
    /// Another server on the database has stored something.
    Abandon,
    /// Senders send what they know nothing of.
    Resend,
    /// A sender connects anew, and first sends what it knows nothing of.
    Reconnect(usize),
    /// The server stops in good order, and starts again.
    Stop,
    Crash,
}

/// How the other homeserver answers a transaction.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// It takes all.
    Taken(u64),
    /// It takes some.
    Mixed(u64),
    /// It does not hear of it.
    Unheard,
    /// It does as with `Mixed`, and its answer gets lost.
    Lost(u64),
    /// It wants it in smaller parts.
    Whole,
}

/// A fault that the model must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    WritesNothing,
    WritesInReverse,
    /// A deferred message is deleted as if it had been taken.
    SettlesDeferred,
    /// No answer counts as a good one.
    BelievesSilence,
}

/// What is being done about a transaction.
enum Doing {
    Send { id: Uuid, body: Bytes, envelopes: usize, fast: bool },
    Read,
    Choose(Vec<OutboxRow>),
    Fly(Option<Uuid>, Vec<OutboxRow>),
    Settle(Vec<homeserver::hub::Landed>),
}

pub struct Rig {
    fault: Option<Fault>,
    lanes: Lanes,
    now: Instant,
    time: i64,
    ids: u128,
    driven: Option<Arc<Destination>>,
    /// Whether the driver has a reason to look what to do, and when it will have one.
    awake: bool,
    until: Option<Instant>,
    stopping: bool,
    write: Option<Vec<Arc<NewEnvelope>>>,
    doing: Option<(Doing, Option<Probe>)>,
    senders: Vec<Sender>,
    database: Database,
    peer: Peer,
}

impl Rig {
    pub fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            lanes: Lanes::default(),
            now: Instant::now(),
            time: 1_000_000,
            ids: 0,
            driven: None,
            awake: false,
            until: None,
            stopping: false,
            write: None,
            doing: None,
            senders: (0..PAIRS).map(Sender::new).collect(),
            database: Database::default(),
            peer: Peer::default(),
        }
    }

    pub fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Send(pair) => self.send(pair),
            Step::SendMany(pair, count) => (0..count).for_each(|_| self.send(pair)),
            Step::Drive => drop(self.drive()),
            Step::Write(how) => drop(self.finish_write(how)),
            Step::GoOn(answer) => drop(self.go_on(answer)?),
            Step::GiveUp => self.fail(),
            Step::Pass(millis) => self.pass(millis),
            Step::Expire(count) => self.expire(count),
            Step::LookAgain(messages) => {
                let undriven = self.lanes.look_again(&lane(), messages);
                self.start(undriven);
            }
            Step::TryNow => self.start(self.lanes.try_now(&lane().destination, self.time())),
            Step::Tick => self.tick(),
            Step::Abandon => self.abandon(),
            Step::Resend => self.resend(),
            Step::Reconnect(pair) => {
                self.senders[pair].reconnect();
                self.resend();
            }
            Step::Stop => self.stop()?,
            Step::Crash => self.crash(),
        }
        self.look()
    }

    /// Lets everything come to rest on a good day, and looks at what there is.
    pub fn settle(&mut self) -> Result<(), String> {
        let mut idle = 0;
        for _ in 0..20_000 {
            self.resend();
            let moved = self.finish_write(Write::Done) || self.go_on(Answer::Taken(0))? || self.drive();
            self.look()?;
            if moved {
                continue;
            }
            self.lanes.tidy();
            let quiet = self.driven.is_none() && self.senders.iter().all(|sender| sender.waiting.is_empty());
            if quiet && self.lanes.of(&lane().destination).is_none() && self.database.rows.is_empty() {
                return self.all_arrived();
            }
            idle += 1;
            if idle > 500 {
                return Err(format!("never at rest: {} rows are left", self.database.rows.len()));
            }
            self.pass(60_000);
            self.tick();
        }
        Err("never at rest: it goes round and round".into())
    }

    fn all_arrived(&self) -> Result<(), String> {
        for (n, known) in self.senders.iter().flat_map(|sender| &sender.outbox) {
            let ended = self.database.ended.get(n);
            let is_refused = *known == Known::Refused || matches!(ended, Some(End::Refused | End::Expired));
            if *known == Known::Nothing || !(is_refused || self.peer.accepted.contains(n)) {
                return Err(format!("lost: {n} was told {known:?} and never arrived"));
            }
        }
        Ok(())
    }

    /// What must hold after every step.
    fn look(&mut self) -> Result<(), String> {
        for sender in &mut self.senders {
            for (n, known) in sender.hear()? {
                let is_kept = self.database.holds(n) || self.database.ended.contains_key(&n);
                let is_true = match known {
                    Known::Nothing => true,
                    Known::Sent => is_kept || self.peer.accepted.contains(&n),
                    Known::Received => self.peer.received.contains(&n),
                    Known::Refused => self.peer.refused.contains(&n),
                };
                if !is_true {
                    return Err(format!("lost: {n} was told {known:?}, which is not so"));
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, pair: usize) {
        let (envelope, reply) = self.senders[pair].write();
        self.take(&envelope, reply);
    }

    fn resend(&mut self) {
        for pair in 0..self.senders.len() {
            for (envelope, reply) in self.senders[pair].again() {
                self.take(&envelope, reply);
            }
        }
    }

    fn take(&mut self, envelope: &Arc<NewEnvelope>, reply: Reply) {
        // Where there is no room, the reply is dropped: its sender tries again.
        if let Ok(undriven) = self.lanes.take(envelope, reply, self.now) {
            self.start(undriven);
        }
    }

    fn start(&mut self, undriven: impl IntoIterator<Item = Undriven>) {
        for Undriven { destination, number } in undriven {
            assert!(number == 0 && self.driven.is_none(), "a lane has one driver");
            (self.driven, self.awake) = (Some(destination), true);
        }
    }

    /// Whether there was anything to do.
    fn drive(&mut self) -> bool {
        let Some(destination) = self.driven.clone() else { return false };
        let woken = destination.lane(0).woken().now_or_never().is_some();
        if !woken && !self.awake && self.until.is_none_or(|until| until > self.now) {
            return false;
        }
        self.ids += 1;
        let id = Uuid::from_u128(self.ids);
        let work = destination.work(0, (self.now, self.time()), !self.stopping, || id);
        (self.awake, self.until) = (false, work.until);
        if let Some(write) = work.write {
            assert!(self.write.replace(write).is_none(), "one write at a time");
        }
        if let Some((step, probe)) = work.step {
            let doing = match step {
                LaneStep::Send { id, body, envelopes, fast } => Doing::Send { id, body, envelopes, fast },
                LaneStep::Read => Doing::Read,
                LaneStep::Settle(landed) => Doing::Settle(landed),
            };
            assert!(self.doing.replace((doing, probe)).is_none(), "one step at a time");
        }
        if work.rest {
            assert!(self.write.is_none() && self.doing.is_none(), "a driver ends with nothing under way");
            self.driven = None;
        }
        true
    }

    fn finish_write(&mut self, how: Write) -> bool {
        let (Some(envelopes), Some(destination)) = (self.write.take(), &self.driven) else { return false };
        let stored = match self.fault {
            Some(Fault::WritesNothing) => Database::default().write(&envelopes, how, false),
            fault => self.database.write(&envelopes, how, fault == Some(Fault::WritesInReverse)),
        };
        destination.written(0, stored);
        self.awake = true;
        true
    }

    /// Whether anything was being done.
    fn go_on(&mut self, answer: Answer) -> Result<bool, String> {
        let (Some((doing, probe)), Some(destination)) = (self.doing.take(), self.driven.clone()) else {
            return Ok(false);
        };
        match doing {
            Doing::Send { id, body, envelopes, .. } => {
                let results = self.answer(answer, id, &body, envelopes)?;
                if matches!(results, Err(Unanswered::NoAnswer)) {
                    destination.reach.failed(self.time(), 128, None, probe.is_some());
                } else if destination.reach.succeeded().0 {
                    self.start(Destination::wake(&destination));
                }
                destination.landed(0, results, self.now);
            }
            Doing::Read => {
                let (repeat, waiting) = destination.reading(0);
                let is_there = |row: &OutboxRow| self.database.rows.contains_key(&row.seq);
                let doing = match repeat {
                    Some((id, rows)) if rows.iter().all(is_there) => Doing::Fly(Some(id), rows),
                    _ => {
                        let mut rows = self.database.outline();
                        rows.retain(|row| !waiting.iter().any(|key| key.same_pair(&row.key)));
                        Doing::Choose(rows)
                    }
                };
                self.doing = Some((doing, probe));
                return Ok(true);
            }
            Doing::Choose(mut rows) => {
                let is_end = rows.len() < PAGE;
                rows.truncate(PAGE);
                self.doing = Some((Doing::Fly(None, destination.choose(0, rows, is_end)), probe));
                return Ok(true);
            }
            Doing::Fly(id, chosen) => {
                let (any, wanted) = (!chosen.is_empty(), chosen.len());
                let rows = chosen.into_iter().filter_map(|row| self.database.rows.get(&row.seq).cloned());
                let rows = rows.collect::<Vec<_>>();
                if id.is_some() && rows.len() < wanted {
                    self.doing = Some((Doing::Read, probe));
                    return Ok(true);
                }
                self.ids += 1;
                destination.fly_rows(0, rows, any, id.unwrap_or(Uuid::from_u128(self.ids)));
            }
            Doing::Settle(landed) => {
                self.database.settle(landed, self.fault == Some(Fault::SettlesDeferred));
                destination.settled(0);
            }
        }
        drop(probe);
        self.awake = true;
        Ok(true)
    }

    fn answer(
        &mut self,
        answer: Answer,
        id: Uuid,
        body: &Bytes,
        envelopes: usize,
    ) -> Result<Result<Vec<EnvelopeResult>, Unanswered>, String> {
        let silence = match self.fault {
            Some(Fault::BelievesSilence) => Ok(vec![EnvelopeResult::accepted(Some(State::Received)); envelopes]),
            _ => Err(Unanswered::NoAnswer),
        };
        Ok(match answer {
            Answer::Taken(luck) => Ok(self.peer.take(id, body, luck, false)?),
            Answer::Mixed(luck) => Ok(self.peer.take(id, body, luck, true)?),
            Answer::Unheard => silence,
            Answer::Lost(luck) => {
                self.peer.take(id, body, luck, true)?;
                silence
            }
            Answer::Whole if envelopes > 1 => Err(Unanswered::Whole),
            Answer::Whole => Ok(self.peer.take(id, body, 0, true)?),
        })
    }

    /// The database fails, or the server stops.
    fn fail(&mut self) {
        let (Some((doing, probe)), Some(destination)) = (self.doing.take(), &self.driven) else { return };
        match doing {
            Doing::Send { .. } => {
                destination.reach.failed(self.time(), 128, None, probe.is_some());
                destination.landed(0, Err(Unanswered::NoAnswer), self.now);
            }
            Doing::Read | Doing::Choose(_) | Doing::Fly(..) => destination.read_failed(0),
            Doing::Settle(_) => destination.settled(0),
        }
        self.awake = true;
    }

    fn abandon(&mut self) {
        if let (Some((Doing::Send { fast: true, .. }, _)), Some(destination)) = (&self.doing, &self.driven) {
            destination.abandon(0);
            (self.doing, self.awake) = (None, true);
        }
    }

    /// Their senders are told, and send them no more.
    fn expire(&mut self, count: usize) {
        for n in self.database.expire(count) {
            self.senders[pair_of(n)].give_up(n);
            // If it arrives all the same, it does so whenever it likes.
            self.peer.accepted.insert(n);
        }
        self.resend();
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.time += i64::try_from(millis).unwrap();
    }

    /// Looks for homeservers that are due, and for what was stored while nobody was here.
    fn tick(&mut self) {
        self.start(self.lanes.due(self.time()));
        self.lanes.tidy();
        if self.lanes.of(&lane().destination).is_none() && !self.database.rows.is_empty() {
            let undriven = self.lanes.look_again(&lane(), true);
            self.start(undriven);
        }
    }

    fn stop(&mut self) -> Result<(), String> {
        self.stopping = true;
        self.start(self.lanes.shut_down());
        if self.doing.take().is_some()
            && let Some(destination) = &self.driven
        {
            destination.read_failed(0);
        }
        self.awake = true;
        for _ in 0..1_000 {
            if !(self.drive() || self.finish_write(Write::Done) || self.go_on(Answer::Unheard)?) {
                break;
            }
            self.look()?;
        }
        if let Some(sender) = self.senders.iter().find(|sender| !sender.waiting.is_empty()) {
            return Err(format!("lost: the server stopped, and {:?} were told nothing", sender.waiting));
        }
        self.crash();
        Ok(())
    }

    /// Memory is gone; the database keeps what was committed. Senders connect anew.
    fn crash(&mut self) {
        (self.driven, self.write, self.doing) = (None, None, None);
        (self.awake, self.until, self.stopping) = (false, None, false);
        for sender in &mut self.senders {
            sender.reconnect();
        }
        self.lanes = Lanes::default();
        self.tick();
        self.resend();
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.time)
    }
}
