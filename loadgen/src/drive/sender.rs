//! Who sends: keeps as much under way as its plan allows and checks what it is told.

use std::{cell::RefCell, rc::Rc, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{Meter, Pair, Side, receiver::IDS};
use crate::{
    check::{Statuses, Told},
    frames::{self, Incoming, Lot},
    socket::Socket,
};

/// Times of sending are remembered of so many messages, more than are ever under way.
const REMEMBERED: u32 = 4096;

/// What every sender does.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The most messages under way.
    pub window: u32,
    /// The time between two messages of a sender; as soon as the window allows if there is none.
    pub pace: Option<Duration>,
    /// What a message is under way until.
    pub owed: Told,
    /// How many messages each sends in all; until the meter says stop if left out.
    pub count: Option<u32>,
}

/// The sender of a pair.
pub struct Sender {
    number: u16,
    receiver: Side,
    socket: Socket,
    lot: Rc<Lot>,
    statuses: Rc<RefCell<Statuses>>,
    meter: Rc<Meter>,
    sent_at: Vec<u64>,
    /// Statuses that the server keeps until we have said that we have them.
    kept: Vec<Uuid>,
}

impl Side {
    /// How a frame calls it.
    pub(super) fn called(&self) -> &str {
        if self.address.is_empty() { &self.name } else { &self.address }
    }
}

impl Sender {
    pub(super) fn new(
        number: u16,
        pair: &Pair,
        socket: Socket,
        lot: Rc<Lot>,
        statuses: Rc<RefCell<Statuses>>,
        meter: Rc<Meter>,
    ) -> Self {
        let (receiver, sent_at) = (pair.receiver.clone(), vec![0; REMEMBERED as usize]);
        Self { number, receiver, socket, lot, statuses, meter, sent_at, kept: Vec::new() }
    }

    /// Sends, and reads what it is told, until all is sent and told.
    pub(super) async fn run(&mut self, plan: Plan) -> Result<()> {
        let mut due = plan.pace.map(|pace| Instant::now() + pace.mul_f64(rand::random()));
        loop {
            self.send(plan, &mut due);
            self.socket.flush().await?;
            let finished = self.is_finished(plan);
            if finished && self.under_way(plan.owed) == 0 {
                return Ok(());
            }
            match due {
                Some(due) if !finished => tokio::select! {
                    filled = self.socket.fill() => filled?,
                    () = sleep_until(due) => {}
                },
                _ => self.socket.fill().await?,
            }
            self.read(plan)?;
            for ids in std::mem::take(&mut self.kept).chunks(IDS) {
                self.socket.write(|text| frames::status_ack(text, ids));
            }
        }
    }

    fn is_finished(&self, plan: Plan) -> bool {
        match plan.count {
            Some(count) => self.statuses.borrow().messages() >= count,
            None => self.meter.stopping.get(),
        }
    }

    fn under_way(&self, owed: Told) -> u32 {
        let statuses = self.statuses.borrow();
        statuses.messages() - statuses.reached(owed)
    }

    fn send(&mut self, plan: Plan, due: &mut Option<Instant>) {
        let now = self.meter.now();
        while !self.is_finished(plan) && self.under_way(plan.owed) < plan.window.min(REMEMBERED) {
            if let (Some(due), Some(pace)) = (due.as_mut(), plan.pace) {
                if *due > Instant::now() {
                    return;
                }
                *due += pace;
            }
            let place = self.statuses.borrow_mut().send();
            let id = self.lot.id(self.number, place);
            self.sent_at[(place % REMEMBERED) as usize] = now;
            self.socket.write(|text| self.lot.message(text, id, &self.receiver.name, now));
        }
    }

    fn read(&mut self, plan: Plan) -> Result<()> {
        let now = self.meter.now();
        let receiver = Some(self.receiver.address.as_str()).filter(|address| !address.is_empty());
        let mut statuses = self.statuses.borrow_mut();
        while let Some(text) = self.socket.next()? {
            let frame = Incoming::parse(text)?;
            let Some(state) = frame.state.filter(|_| frame.sender == receiver) else {
                if frame.drained || frame.hello.is_some() {
                    continue;
                }
                bail!("the sender was told {}", String::from_utf8_lossy(text));
            };
            for id in frame.ids() {
                let Some(change) = statuses.told(&self.lot, id, state) else { continue };
                if change.before < plan.owed && change.now >= plan.owed {
                    self.meter.settled(self.sent_at[(change.place % REMEMBERED) as usize], now);
                }
                if change.now == Told::Received && change.stored {
                    self.kept.push(id);
                }
            }
        }
        Ok(())
    }
}
