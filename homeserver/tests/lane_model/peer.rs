//! The other homeserver: takes envelopes, defers or refuses them, and answers a transaction that comes again as before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use missive_wire::{Code, EnvelopeResult, ErrorBody, ErrorDetails, State};
use serde_json::Value;
use uuid::Uuid;

use crate::sender::pair_of;

#[derive(Default)]
pub struct Peer {
    answered: HashMap<Uuid, (Bytes, Vec<EnvelopeResult>)>,
    /// Of each pair, in the order in which they were taken first.
    taken: BTreeMap<usize, Vec<u64>>,
    pub accepted: BTreeSet<u64>,
    pub received: BTreeSet<u64>,
    pub refused: BTreeSet<u64>,
}

impl Peer {
    /// Takes a transaction. By `luck`, bit for bit, an envelope is received at once or stored; `mixed`: or deferred or
    /// refused.
    pub fn take(&mut self, id: Uuid, body: &Bytes, luck: u64, mixed: bool) -> Result<Vec<EnvelopeResult>, String> {
        if let Some((before, results)) = self.answered.get(&id) {
            return if before == body { Ok(results.clone()) } else { Err(format!("{id} has had another body")) };
        }
        let transaction: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let envelopes = transaction["envelopes"].as_array().cloned().unwrap_or_default();
        let mut deferred = BTreeSet::new();
        let mut results = Vec::new();
        for (place, envelope) in envelopes.iter().enumerate() {
            let n = envelope.as_u64().ok_or("no number")?;
            let dice = luck.rotate_right(u32::try_from(place * 3 % 64).unwrap_or_default()) % 8;
            results.push(match dice {
                _ if deferred.contains(&pair_of(n)) => EnvelopeResult::deferred(),
                // What is refused is refused for good.
                _ if self.refused.contains(&n) => refused(),
                0 if mixed && !self.accepted.contains(&n) => {
                    self.refused.insert(n);
                    refused()
                }
                1 | 2 if mixed => {
                    deferred.insert(pair_of(n));
                    EnvelopeResult::deferred()
                }
                dice => self.accept(n, dice % 2 == 0)?,
            });
        }
        self.answered.insert(id, (body.clone(), results.clone()));
        Ok(results)
    }

    fn accept(&mut self, n: u64, at_once: bool) -> Result<EnvelopeResult, String> {
        if self.accepted.insert(n) {
            let taken = self.taken.entry(pair_of(n)).or_default();
            if taken.last().is_some_and(|last| *last > n) {
                return Err(format!("order: {n} came after {:?}", taken.last()));
            }
            taken.push(n);
        }
        if at_once {
            self.received.insert(n);
        }
        Ok(EnvelopeResult::accepted(at_once.then_some(State::Received)))
    }
}

fn refused() -> EnvelopeResult {
    let error = "the receiver can no longer receive messages".to_owned();
    EnvelopeResult::Refused(ErrorBody { error, code: Code::ReceiverGone, details: ErrorDetails::default() })
}
