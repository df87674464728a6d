//! A device that sends messages to one address elsewhere, again and again until it knows that they are safe.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use homeserver::{
    hub::{Frames, Outcome, Outgoing, Reply, Sending, SentBy, Towards, Turns},
    model::{EnvelopeKey, Lane, NewEnvelope},
};
use missive_wire::{Address, DeviceId, ServerFrame};
use uuid::Uuid;

/// Pairs; a message's number says of which it is.
pub const PAIRS: u64 = 3;

/// What the sender knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Nothing,
    Sent,
    Received,
    Refused,
}

pub struct Sender {
    pair: u64,
    next: u64,
    frames: Frames,
    turns: Arc<Turns>,
    pub outbox: BTreeMap<u64, Known>,
    pub waiting: Vec<u64>,
}

impl Sender {
    pub fn new(pair: u64) -> Self {
        let (frames, turns) = (Frames::default(), Arc::default());
        Self { pair, next: 0, frames, turns, outbox: BTreeMap::new(), waiting: Vec::new() }
    }

    /// A new message.
    pub fn write(&mut self) -> (Arc<NewEnvelope>, Reply) {
        self.next += 1;
        let n = self.next * PAIRS + self.pair;
        self.outbox.insert(n, Known::Nothing);
        self.send(n)
    }

    /// Everything that nothing is known of, in order, once all that is under way has been answered.
    pub fn again(&mut self) -> Vec<(Arc<NewEnvelope>, Reply)> {
        if !self.waiting.is_empty() {
            return Vec::new();
        }
        let unknown = self.outbox.iter().filter(|(_, known)| **known == Known::Nothing).map(|(n, _)| *n);
        unknown.collect::<Vec<_>>().into_iter().map(|n| self.send(n)).collect()
    }

    /// It will never arrive. The others must not wait for it to come again, so they start over.
    pub fn give_up(&mut self, n: u64) {
        self.outbox.insert(n, Known::Refused);
        self.reconnect();
    }

    /// Over a new socket, on which nothing is known of the old one.
    pub fn reconnect(&mut self) {
        self.waiting.clear();
        self.frames = Frames::default();
        self.turns = Arc::default();
    }

    fn send(&mut self, n: u64) -> (Arc<NewEnvelope>, Reply) {
        let envelope = envelope(n);
        let (id, receiver) = (envelope.key.message_id, envelope.key.receiver.clone());
        self.turns.come(id);
        self.waiting.push(n);
        let by = SentBy { frames: &self.frames, turns: &self.turns };
        let towards = (Towards::Elsewhere(receiver.clone()), receiver);
        let reply = Sending::start(by, towards, (Some(id), id), 1).pop().unwrap();
        (Arc::new(envelope), reply)
    }

    /// What it has been told meanwhile: of each message once.
    pub fn hear(&mut self) -> Result<Vec<(u64, Known)>, String> {
        let mut frames = VecDeque::new();
        self.frames.take(&mut frames);
        let mut heard = Vec::new();
        for frame in frames {
            let (id, known) = match frame {
                Outgoing::Told(id, _, outcome) => (id, known(outcome)?),
                Outgoing::Answer(answer) => match *answer {
                    ServerFrame::Error(error) => (error.id.ok_or("no id")?, Known::Refused),
                    other => return Err(format!("{other:?}")),
                },
                _ => continue,
            };
            let n = u64::try_from(id.as_u128()).map_err(|error| error.to_string())?;
            let place = self.waiting.iter().position(|one| *one == n).ok_or(format!("{n} was told twice"))?;
            self.waiting.remove(place);
            let before = self.outbox.entry(n).or_insert(Known::Nothing);
            if known != Known::Nothing && matches!(*before, Known::Nothing | Known::Sent) {
                *before = known;
            }
            heard.push((n, known));
        }
        Ok(heard)
    }
}

fn known(outcome: Outcome) -> Result<Known, String> {
    match outcome {
        Outcome::Received => Ok(Known::Received),
        Outcome::Stored => Ok(Known::Sent),
        Outcome::Failed | Outcome::Full | Outcome::AfterFailed => Ok(Known::Nothing),
        other => Err(format!("told {other:?}")),
    }
}

pub fn pair_of(n: u64) -> usize {
    usize::try_from(n % PAIRS).unwrap()
}

pub fn number(key: &EnvelopeKey) -> u64 {
    u64::try_from(key.message_id.as_u128()).unwrap()
}

pub fn lane() -> Lane {
    Lane { destination: "two.example".parse().unwrap(), number: 0 }
}

fn envelope(n: u64) -> NewEnvelope {
    let receiver: Address = format!("bob{}@two.example", pair_of(n)).parse().unwrap();
    let key = EnvelopeKey {
        account: Uuid::from_u128((n % PAIRS).into()),
        device: Some(DeviceId::FIRST),
        receiver,
        receiver_device: None,
        message_id: Uuid::from_u128(n.into()),
        state: None,
    };
    NewEnvelope { key, lane: lane(), json: n.to_string() }
}
