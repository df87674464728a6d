//! Whether every message arrived, once, in order, unaltered, and whether its sender was told so.

use std::{fmt, ops::AddAssign};

use serde::Serialize;
use uuid::Uuid;

use crate::frames::Lot;

/// What went wrong, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// Never arrived.
    pub lost: u64,
    /// Arrived again.
    pub doubled: u64,
    /// Arrived after a later one.
    pub out_of_order: u64,
    /// Of another lot or pair, or never sent.
    pub stale: u64,
    /// Arrived with another content or sender.
    pub altered: u64,
    /// The sender was not told what became of it, or was told something impossible.
    pub untold: u64,
}

impl Faults {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.stale += other.stale;
        self.altered += other.altered;
        self.untold += other.untold;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, out_of_order, stale, altered, untold } = self;
        write!(
            f,
            "{lost} lost, {doubled} doubled, {out_of_order} out of order, {stale} stale, {altered} altered, \
             {untold} untold"
        )
    }
}

/// What arrived at the receiver of a pair.
#[derive(Debug)]
pub struct Arrivals {
    pair: u16,
    seen: Vec<bool>,
    faults: Faults,
}

impl Arrivals {
    /// Nothing yet.
    pub fn new(pair: u16) -> Self {
        Self { pair, seen: Vec::new(), faults: Faults::default() }
    }

    /// A message arrived; when it was sent, if it is the one that was due or a later one.
    pub fn arrived(&mut self, lot: &Lot, id: Uuid, content: &str) -> Option<u64> {
        let Some(place) = lot.place(id).filter(|(pair, _)| *pair == self.pair).map(|(_, place)| place as usize) else {
            self.faults.stale += 1;
            return None;
        };
        if place >= self.seen.len() {
            // A gap is a loss, unless it is filled later, out of order.
            self.seen.resize(place + 1, false);
        } else if self.seen[place] {
            self.faults.doubled += 1;
            return None;
        } else {
            self.faults.out_of_order += 1;
        }
        self.seen[place] = true;
        let sent_at = lot.sent_at(id, content);
        self.faults.altered += u64::from(sent_at.is_none());
        sent_at
    }

    /// A message came from someone else than its sender.
    pub fn wrong_sender(&mut self) {
        self.faults.altered += 1;
    }

    /// The verdict, so many messages having been sent.
    pub fn close(&self, sent: u32) -> Faults {
        let sent = sent as usize;
        let within = self.seen.iter().take(sent).filter(|seen| **seen).count();
        let beyond = self.seen.iter().skip(sent).filter(|seen| **seen).count();
        let mut faults = self.faults;
        faults.lost += (sent - within) as u64;
        faults.stale += beyond as u64;
        faults
    }
}

/// How far the sender knows a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// The homeserver holds it.
    Sent,
    /// The receiver has it.
    Received,
}

/// What the sender of a pair was told of its messages.
#[derive(Debug)]
pub struct Statuses {
    pair: u16,
    /// What was told of each, and whether `sent` was among it.
    told: Vec<(Told, bool)>,
    sent: u32,
    received: u32,
    repeated: u64,
    faults: Faults,
}

/// What a status changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The message's place.
    pub place: u32,
    /// How far it was before.
    pub before: Told,
    /// How far it is now.
    pub now: Told,
    /// Whether it was stored, so that its `received` is kept until acknowledged.
    pub stored: bool,
}

impl Statuses {
    /// Nothing sent yet.
    pub fn new(pair: u16) -> Self {
        Self { pair, told: Vec::new(), sent: 0, received: 0, repeated: 0, faults: Faults::default() }
    }

    /// A message is being sent; its place.
    pub fn send(&mut self) -> u32 {
        self.told.push((Told::Nothing, false));
        self.messages() - 1
    }

    /// How many messages were sent.
    pub fn messages(&self) -> u32 {
        u32::try_from(self.told.len()).unwrap_or(u32::MAX)
    }

    /// Of how many this, or more, was told.
    pub fn reached(&self, state: Told) -> u32 {
        match state {
            Told::Nothing => self.messages(),
            Told::Sent => self.sent,
            Told::Received => self.received,
        }
    }

    /// Of how many `sent` was told: they were stored.
    pub fn stored(&self) -> u64 {
        self.told.iter().filter(|(_, stored)| *stored).count() as u64
    }

    /// How often the same was told again.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The server told something of a message.
    pub fn told(&mut self, lot: &Lot, id: Uuid, state: &str) -> Option<Change> {
        let place = lot.place(id).filter(|(pair, place)| *pair == self.pair && *place < self.messages());
        let Some((_, place)) = place else {
            self.faults.stale += 1;
            return None;
        };
        let now = match state {
            "sent" => Told::Sent,
            "received" => Told::Received,
            _ => {
                self.faults.untold += 1;
                return None;
            }
        };
        let entry = &mut self.told[place as usize];
        let before = entry.0;
        if now == before || (now == Told::Sent && entry.1) {
            self.repeated += 1;
            return None;
        }
        *entry = (now.max(before), entry.1 || now == Told::Sent);
        let (now, stored) = *entry;
        self.sent += u32::from(before < Told::Sent);
        self.received += u32::from(before < Told::Received && now == Told::Received);
        Some(Change { place, before, now, stored })
    }

    /// The verdict, every message being owed that state.
    pub fn close(&self, owed: Told) -> Faults {
        let mut faults = self.faults;
        faults.untold += u64::from(self.messages() - self.reached(owed));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(lot: &Lot, id: Uuid) -> String {
        let mut text = String::new();
        lot.message(&mut text, id, "bob", 1);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["content"].as_str().unwrap().to_owned()
    }

    fn arrive(places: &[u32], sent: u32) -> Faults {
        let lot = Lot::new();
        let mut arrivals = Arrivals::new(3);
        for place in places {
            let id = lot.id(3, *place);
            arrivals.arrived(&lot, id, &content(&lot, id));
        }
        arrivals.close(sent)
    }

    #[test]
    fn order_without_gaps_is_no_fault() {
        assert!(arrive(&[0, 1, 2, 3], 4).is_none());
    }

    #[test]
    fn a_loss_is_found() {
        assert_eq!(arrive(&[0, 2, 3], 4), Faults { lost: 1, ..Faults::default() });
        assert_eq!(arrive(&[0, 1], 4), Faults { lost: 2, ..Faults::default() });
        assert_eq!(arrive(&[], 1), Faults { lost: 1, ..Faults::default() });
    }

    #[test]
    fn a_double_is_found() {
        assert_eq!(arrive(&[0, 1, 1, 2, 0], 3), Faults { doubled: 2, ..Faults::default() });
    }

    #[test]
    fn disorder_is_found() {
        assert_eq!(arrive(&[0, 2, 1, 3], 4), Faults { out_of_order: 1, ..Faults::default() });
    }

    #[test]
    fn what_was_never_sent_is_stale() {
        assert_eq!(arrive(&[0, 1, 2], 2), Faults { stale: 1, ..Faults::default() });
    }

    #[test]
    fn another_lot_or_pair_is_stale_and_another_content_altered() {
        let (lot, other) = (Lot::new(), Lot::new());
        let mut arrivals = Arrivals::new(3);
        let (stale, strange, right) = (other.id(3, 0), lot.id(4, 0), lot.id(3, 0));
        assert_eq!(arrivals.arrived(&lot, stale, &content(&other, stale)), None);
        assert_eq!(arrivals.arrived(&lot, strange, &content(&lot, strange)), None);
        assert_eq!(arrivals.arrived(&lot, right, &content(&lot, lot.id(3, 1))), None);
        assert_eq!(arrivals.close(1), Faults { stale: 2, altered: 1, ..Faults::default() });
    }

    #[test]
    fn states_rise_and_the_stored_are_known_even_when_told_late() {
        let lot = Lot::new();
        let mut statuses = Statuses::new(0);
        let ids = [0, 1, 2].map(|_| lot.id(0, statuses.send()));
        let change = statuses.told(&lot, ids[0], "received").unwrap();
        assert_eq!((change.before, change.now, change.stored), (Told::Nothing, Told::Received, false));
        statuses.told(&lot, ids[1], "sent").unwrap();
        assert!(statuses.told(&lot, ids[1], "received").unwrap().stored);
        let late = statuses.told(&lot, ids[0], "sent").unwrap();
        assert_eq!((late.before, late.now, late.stored), (Told::Received, Told::Received, true));
        assert_eq!((statuses.reached(Told::Sent), statuses.reached(Told::Received), statuses.stored()), (2, 2, 2));
        assert_eq!(statuses.told(&lot, ids[0], "received"), None);
        assert_eq!(statuses.repeated(), 1);
        assert_eq!(statuses.close(Told::Received), Faults { untold: 1, ..Faults::default() });
    }

    #[test]
    fn a_status_of_nothing_that_was_sent_is_stale_and_an_undeliverable_one_is_a_fault() {
        let lot = Lot::new();
        let mut statuses = Statuses::new(0);
        let id = lot.id(0, statuses.send());
        assert_eq!(statuses.told(&lot, lot.id(0, 1), "received"), None);
        assert_eq!(statuses.told(&lot, id, "undeliverable"), None);
        assert_eq!(statuses.close(Told::Sent), Faults { stale: 1, untold: 2, ..Faults::default() });
    }
}
