//! Who receives: checks each message and acknowledges it.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use anyhow::{Result, bail};
use uuid::Uuid;

use super::{Meter, Pair};
use crate::{
    check::Arrivals,
    frames::{self, Incoming, Lot},
    socket::Socket,
};

/// The most ids of a frame.
pub(super) const IDS: usize = 100;

/// The receiver of a pair.
pub struct Receiver {
    pub(super) pair: Pair,
    pub(super) socket: Socket,
    pub(super) lot: Rc<Lot>,
    pub(super) arrivals: Rc<RefCell<Arrivals>>,
    pub(super) meter: Rc<Meter>,
    pub(super) acknowledge_each: bool,
}

impl Receiver {
    /// Receives until the connection ends, which is an error, or the task is given up.
    pub(super) async fn run(mut self) -> Result<Infallible> {
        let chunk = if self.acknowledge_each { 1 } else { IDS };
        let mut ids = Vec::new();
        loop {
            self.read(&mut ids)?;
            for ids in ids.chunks(chunk) {
                self.socket.write(|text| frames::received(text, ids, self.pair.sender.called()));
            }
            ids.clear();
            self.socket.flush().await?;
            self.socket.fill().await?;
        }
    }

    fn read(&mut self, ids: &mut Vec<Uuid>) -> Result<()> {
        let now = self.meter.now();
        let sender = Some(self.pair.sender.address.as_str()).filter(|address| !address.is_empty());
        let mut arrivals = self.arrivals.borrow_mut();
        while let Some(text) = self.socket.next()? {
            let frame = Incoming::parse(text)?;
            if let (Some(id), Some(content)) = (frame.id, frame.content) {
                if frame.sender != sender {
                    arrivals.wrong_sender();
                }
                if let Some(sent_at) = arrivals.arrived(&self.lot, id, content) {
                    self.meter.arrived(sent_at, now);
                }
                ids.push(id);
            } else if !frame.drained && frame.hello.is_none() {
                bail!("the receiver was sent {}", String::from_utf8_lossy(text));
            }
        }
        Ok(())
    }
}
