//! The conversations, newest first.

use std::time::Instant;

use client_core::{Contact, Conversation, wire::Address};

use crate::chat::{exchange::Effect, keys::Step, text};

/// After a reading, it rests this many times as long as that took.
const RESTS: u32 = 4;

/// The list, as it was read last.
#[derive(Debug)]
pub(in crate::chat) struct List {
    pub(in crate::chat) conversations: Vec<Conversation>,
    /// Of whom something is noted, whether or not anything was said.
    pub(in crate::chat) contacts: Vec<Contact>,
    /// The conversation that is open, or would be.
    pub(in crate::chat) cursor: Option<Address>,
    stale: bool,
    /// Since when it is being read.
    reading: Option<Instant>,
    /// Until when it is left alone: where it is long, reading it must not keep the storage busy.
    rests: Option<Instant>,
}

impl Default for List {
    fn default() -> Self {
        Self { conversations: Vec::new(), contacts: Vec::new(), cursor: None, stale: true, reading: None, rests: None }
    }
}

impl List {
    /// Something has changed in the storage.
    pub(super) fn changed(&mut self) {
        self.stale = true;
    }

    pub(super) fn want(&mut self, now: Instant) -> Option<Effect> {
        if self.reading.is_some() || !self.stale || self.rests.is_some_and(|until| now < until) {
            return None;
        }
        (self.reading, self.stale) = (Some(now), false);
        Some(Effect::List)
    }

    /// When it is to be read again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.rests.filter(|_| self.stale && self.reading.is_none())
    }

    pub(super) fn read(&mut self, conversations: Vec<Conversation>, contacts: Vec<Contact>, now: Instant) {
        let took = self.reading.take().map(|since| now.saturating_duration_since(since));
        self.rests = took.map(|took| now + took * RESTS);
        (self.conversations, self.contacts) = (conversations, contacts);
    }

    pub(in crate::chat) fn of(&self, peer: &Address) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.peer == *peer)
    }

    pub(super) fn unread(&self, peer: &Address) -> u64 {
        self.of(peer).map_or(0, |conversation| conversation.unread)
    }

    pub(super) fn seen(&mut self, peer: &Address, count: u64) {
        for conversation in self.conversations.iter_mut().filter(|conversation| conversation.peer == *peer) {
            conversation.unread = conversation.unread.saturating_sub(count);
        }
    }

    /// How many messages of other conversations are unread.
    pub(in crate::chat) fn elsewhere(&self, open: Option<&Address>) -> u64 {
        let others = self.conversations.iter().filter(|conversation| Some(&conversation.peer) != open);
        others.map(|conversation| conversation.unread).sum()
    }

    /// The peers in their order; an open one with whom nothing was said yet comes first.
    pub(in crate::chat) fn peers(&self, open: Option<&Address>) -> Vec<Address> {
        let known = self.conversations.iter().map(|conversation| conversation.peer.clone());
        open.filter(|peer| self.of(peer).is_none()).cloned().into_iter().chain(known).collect()
    }

    /// The conversation after or before the cursor.
    pub(super) fn step(&self, step: Step, open: Option<&Address>) -> Option<Address> {
        let peers = self.peers(open);
        let at = self.cursor.as_ref().and_then(|cursor| peers.iter().position(|peer| peer == cursor));
        let next = match (at, step) {
            (None, _) => 0,
            (Some(at), Step::On) => (at + 1).min(peers.len().saturating_sub(1)),
            (Some(at), Step::Back) => at.saturating_sub(1),
        };
        peers.into_iter().nth(next)
    }

    /// The first conversation after the cursor with unread messages, from the top again at the end.
    pub(super) fn next_unread(&self) -> Option<Address> {
        let cursor = self.cursor.as_ref();
        let at = self.conversations.iter().position(|conversation| Some(&conversation.peer) == cursor);
        let (before, after) = self.conversations.split_at(at.map_or(0, |at| at + 1));
        let next = after.iter().chain(before).find(|conversation| conversation.unread > 0);
        next.map(|conversation| conversation.peer.clone())
    }
}

/// What someone is called in a list: the petname, else the name, with the server where it is another one.
pub(in crate::chat) fn label(peer: &Address, petname: Option<&str>, own: &Address) -> String {
    match petname {
        Some(petname) => text::clean(petname),
        None if peer.server == own.server => peer.name.to_string(),
        None => peer.to_string(),
    }
}
