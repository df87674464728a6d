//! Traffic between pairs: each has a sender and a receiver, every message is checked at both.

mod meter;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use anyhow::{Result, anyhow, bail};
use tokio::task::JoinSet;

pub use self::{
    meter::{Meter, Sample},
    receiver::Receiver,
    sender::{Plan, Sender},
};
use crate::{
    account::greeted,
    check::{Arrivals, Faults, Statuses, Told},
    frames::Lot,
};

/// How long what was sent too often may still arrive after the last message.
const AFTERMATH: Duration = Duration::from_millis(100);

/// A side of a pair.
#[derive(Clone)]
pub struct Side {
    /// Where it connects.
    pub server: SocketAddr,
    /// What it connects with.
    pub token: String,
    /// The name that frames call it by.
    pub name: String,
    /// The address that the server calls it by; empty where the server is the bare relay, which names nobody.
    pub address: String,
}

/// Two who talk.
#[derive(Clone)]
pub struct Pair {
    /// Who sends.
    pub sender: Side,
    /// Who receives.
    pub receiver: Side,
}

/// Messages under way in one lot, and what is known of them.
pub struct Traffic {
    /// What is measured.
    pub meter: Rc<Meter>,
    lot: Rc<Lot>,
    pairs: Vec<Pair>,
    arrivals: Vec<Rc<RefCell<Arrivals>>>,
    statuses: Vec<Rc<RefCell<Statuses>>>,
}

impl Traffic {
    /// Nothing sent yet.
    pub fn new(pairs: Vec<Pair>) -> Self {
        let numbers = || (0..).take(pairs.len());
        Self {
            meter: Rc::default(),
            lot: Rc::new(Lot::new()),
            arrivals: numbers().map(|pair| Rc::new(RefCell::new(Arrivals::new(pair)))).collect(),
            statuses: numbers().map(|pair| Rc::new(RefCell::new(Statuses::new(pair)))).collect(),
            pairs,
        }
    }

    /// The same pairs, with tokens that are still valid.
    pub fn renew(&mut self, pairs: Vec<Pair>) {
        self.pairs = pairs;
    }

    /// Connects every sender.
    pub async fn senders(&self) -> Result<Vec<Sender>> {
        let mut senders = Vec::new();
        for (number, (pair, statuses)) in (0..).zip(self.pairs.iter().zip(&self.statuses)) {
            let (socket, _) = greeted(pair.sender.server, &pair.sender.token).await?;
            senders.push(Sender::new(number, pair, socket, self.lot.clone(), statuses.clone(), self.meter.clone()));
        }
        Ok(senders)
    }

    /// Connects every receiver, for whom so many messages must wait.
    pub async fn receivers(&self, acknowledge_each: bool, waiting: u64) -> Result<Vec<Receiver>> {
        let mut receivers = Vec::new();
        for (pair, arrivals) in self.pairs.iter().zip(&self.arrivals) {
            let (socket, pending) = greeted(pair.receiver.server, &pair.receiver.token).await?;
            if pending != waiting {
                bail!("{pending} messages wait for {}, not {waiting}", pair.receiver.name);
            }
            let (lot, arrivals, meter) = (self.lot.clone(), arrivals.clone(), self.meter.clone());
            receivers.push(Receiver { pair: pair.clone(), socket, lot, arrivals, meter, acknowledge_each });
        }
        Ok(receivers)
    }

    /// What went wrong, if the senders are owed that state of every message, and the receivers (if any) the message.
    pub fn faults(&self, owed: Told) -> Faults {
        let mut faults = Faults::default();
        for (arrivals, statuses) in self.arrivals.iter().zip(&self.statuses) {
            faults += statuses.borrow().close(owed);
            if owed == Told::Received {
                faults += arrivals.borrow().close(statuses.borrow().messages());
            }
        }
        faults
    }

    /// Fails if anything went wrong.
    pub fn check(&self, owed: Told) -> Result<()> {
        let faults = self.faults(owed);
        let sent = self.statuses.iter().map(|statuses| u64::from(statuses.borrow().messages())).sum::<u64>();
        if faults.is_none() { Ok(()) } else { Err(anyhow!("of {sent} messages, not all are right: {faults}")) }
    }

    /// How many messages were stored before they were received.
    pub fn stored(&self) -> u64 {
        self.statuses.iter().map(|statuses| statuses.borrow().stored()).sum()
    }

    /// How many statuses were told again.
    pub fn repeated(&self) -> u64 {
        self.statuses.iter().map(|statuses| statuses.borrow().repeated()).sum()
    }

    /// Does `work` within that time; else says what is missing.
    pub async fn within<T>(&self, time: Duration, owed: Told, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(time, work).await {
            Ok(done) => done,
            Err(_) => bail!("not over after {} s: {}", time.as_secs(), self.faults(owed)),
        }
    }
}

/// Lets the senders send until each is done; gives them back.
pub async fn send(senders: Vec<Sender>, plan: Plan) -> Result<Vec<Sender>> {
    let mut tasks = JoinSet::new();
    for mut sender in senders {
        tasks.spawn_local(async move {
            sender.run(plan).await?;
            Ok::<_, anyhow::Error>(sender)
        });
    }
    let mut done = Vec::new();
    while let Some(sender) = tasks.join_next().await {
        done.push(sender??);
    }
    Ok(done)
}

/// Lets the receivers receive while `work` is done, and for a moment after.
pub async fn while_receiving<T>(receivers: Vec<Receiver>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut tasks = JoinSet::new();
    for receiver in receivers {
        tasks.spawn_local(receiver.run());
    }
    let work = async {
        let done = work.await?;
        tokio::time::sleep(AFTERMATH).await;
        Ok(done)
    };
    let outcome = tokio::select! {
        done = work => done,
        Some(ended) = tasks.join_next() => match ended? {
            Err(error) => Err(error),
            Ok(never) => match never {},
        },
    };
    tasks.shutdown().await;
    outcome
}
