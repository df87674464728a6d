//! What was typed and is not in the library's outbox yet. In each conversation one message is sent after the other.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use client_core::wire::Address;

use crate::chat::exchange::{Effect, Why};

/// After a failure that may pass, it is tried again after this long, or when the connection comes back.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) struct Unsent {
    pub(in crate::chat) ticket: u64,
    pub(in crate::chat) text: String,
    pub(in crate::chat) fate: Fate,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) enum Fate {
    Queued,
    Sending,
    /// Not now.
    Waiting {
        why: String,
        until: Instant,
    },
    /// Not under this identity key, unless it is accepted.
    Key,
    /// Never, as it is.
    Failed(String),
}

/// Everything that was typed and is not sent.
#[derive(Debug, Default)]
pub(in crate::chat) struct Outbox {
    unsent: HashMap<Address, Vec<Unsent>>,
    tickets: u64,
}

impl Outbox {
    /// What is unsent to someone, oldest first.
    pub(in crate::chat) fn to(&self, peer: &Address) -> &[Unsent] {
        self.unsent.get(peer).map_or(&[], Vec::as_slice)
    }

    /// How many messages would be lost now.
    pub(in crate::chat) fn len(&self) -> usize {
        self.unsent.values().map(Vec::len).sum()
    }

    /// Everything that is unsent.
    pub(in crate::chat) fn all(&self) -> impl Iterator<Item = (&Address, &str)> {
        self.unsent.iter().flat_map(|(peer, all)| all.iter().map(move |unsent| (peer, unsent.text.as_str())))
    }

    pub(super) fn push(&mut self, peer: &Address, text: String) {
        self.tickets += 1;
        let unsent = Unsent { ticket: self.tickets, text, fate: Fate::Queued };
        self.unsent.entry(peer.clone()).or_default().push(unsent);
    }

    /// Takes back the newest message that is not on its way.
    pub(super) fn take_back(&mut self, peer: &Address) -> Option<String> {
        let unsent = self.unsent.get_mut(peer)?;
        let at = unsent.iter().rposition(|unsent| unsent.fate != Fate::Sending)?;
        Some(unsent.remove(at).text)
    }

    /// What can be sent now.
    pub(super) fn ready(&mut self) -> Vec<Effect> {
        self.unsent.iter_mut().filter_map(|(peer, unsent)| next(peer, unsent)).collect()
    }

    pub(super) fn sent(&mut self, peer: &Address, ticket: u64) {
        if let Some(unsent) = self.unsent.get_mut(peer) {
            unsent.retain(|unsent| unsent.ticket != ticket);
        }
        self.unsent.retain(|_, unsent| !unsent.is_empty());
    }

    pub(super) fn not_sent(&mut self, peer: &Address, ticket: u64, why: Why, now: Instant) {
        let mut unsent = self.unsent.get_mut(peer).into_iter().flatten();
        if let Some(unsent) = unsent.find(|unsent| unsent.ticket == ticket) {
            unsent.fate = match why {
                Why::Temporary(why) => Fate::Waiting { why, until: now + PATIENCE },
                Why::Key => Fate::Key,
                Why::Final(why) => Fate::Failed(why),
            };
        }
    }

    /// The connection is back.
    pub(super) fn connected(&mut self) {
        self.requeue(|fate| matches!(fate, Fate::Waiting { .. }));
    }

    pub(super) fn accepted(&mut self, peer: &Address) {
        for unsent in self.unsent.get_mut(peer).into_iter().flatten().filter(|unsent| unsent.fate == Fate::Key) {
            unsent.fate = Fate::Queued;
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.requeue(|fate| matches!(fate, Fate::Waiting { until, .. } if *until <= now));
    }

    /// When something is to be tried again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let until = |unsent: &Unsent| match unsent.fate {
            Fate::Waiting { until, .. } => Some(until),
            _ => None,
        };
        self.unsent.values().flatten().filter_map(until).min()
    }

    fn requeue(&mut self, which: impl Fn(&Fate) -> bool) {
        for unsent in self.unsent.values_mut().flatten().filter(|unsent| which(&unsent.fate)) {
            unsent.fate = Fate::Queued;
        }
    }
}

/// The next message of a conversation, unless one is on its way or an earlier one waits.
fn next(peer: &Address, unsent: &mut [Unsent]) -> Option<Effect> {
    let first = unsent.iter_mut().find(|unsent| !matches!(unsent.fate, Fate::Failed(_)))?;
    if first.fate != Fate::Queued {
        return None;
    }
    first.fate = Fate::Sending;
    Some(Effect::Send { peer: peer.clone(), ticket: first.ticket, text: first.text.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_of_a_conversation_is_sent_after_the_other() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let bob: Address = "bob@one.example".parse().unwrap();
        outbox.push(&bob, "first".into());
        outbox.push(&bob, "second".into());
        let send = |ticket, text: &str| vec![Effect::Send { peer: bob.clone(), ticket, text: text.into() }];
        assert_eq!(outbox.ready(), send(1, "first"));
        assert_eq!(outbox.ready(), []);
        outbox.not_sent(&bob, 1, Why::Temporary("offline".into()), now);
        assert_eq!(outbox.ready(), [], "the second does not overtake");
        assert_eq!(outbox.deadline(), Some(now + PATIENCE));
        outbox.connected();
        assert_eq!(outbox.ready(), send(1, "first"));
        outbox.sent(&bob, 1);
        assert_eq!(outbox.ready(), send(2, "second"));
        outbox.not_sent(&bob, 2, Why::Key, now);
        assert_eq!(outbox.ready(), []);
        outbox.accepted(&bob);
        assert_eq!(outbox.ready(), send(2, "second"));
        outbox.not_sent(&bob, 2, Why::Final("too long".into()), now);
        outbox.push(&bob, "third".into());
        assert_eq!(outbox.ready(), send(3, "third"), "what failed holds nothing up");
        assert_eq!(outbox.take_back(&bob).as_deref(), Some("second"));
        assert_eq!((outbox.len(), outbox.take_back(&bob)), (1, None), "what is on its way stays");
    }
}
