//! What events and answers do.

use std::time::Instant;

use client_core::{
    Event, StatusChange,
    wire::{Address, State},
};

use super::{Link, Model, Panel, card::Card, list::label};
use crate::chat::{
    exchange::{Answer, Effect, FRESH, Why},
    text,
};

impl Model {
    /// Something happened on the connection. What it tells is stored already.
    pub(in crate::chat) fn event(&mut self, event: Event, now: Instant) {
        self.now = now;
        match event {
            Event::Connected { .. } => {
                self.link = Link::Online;
                self.outbox.connected();
                self.changed(None);
            }
            Event::Message(message) => self.changed(Some(&message.peer)),
            Event::Status(change) => self.status(&change),
            Event::Error { error, .. } => self.say(text::clean(&error)),
            Event::IdentityChanged(peer) => {
                self.refresh(&peer);
                self.ask_acceptance(&peer);
            }
            Event::Disconnected { error, retry_in } => {
                self.link = Link::Offline { error: text::clean(&error), until: now + retry_in };
            }
            _ => {}
        }
    }

    /// Something that was asked for is done.
    pub(in crate::chat) fn answer(&mut self, answer: Answer, now: Instant) {
        self.now = now;
        match answer {
            Answer::List { conversations, contacts } => {
                self.list.read(conversations, contacts, now);
                if let Some(thread) = &mut self.thread
                    && let Some(known) = self.list.of(&thread.peer)
                {
                    thread.contact = known.contact.clone();
                }
            }
            Answer::Page { peer, before, limit, rows } => {
                if let Some(thread) = self.thread.as_mut().filter(|thread| thread.peer == peer) {
                    thread.page(before, limit, rows);
                }
            }
            Answer::Contact(contact) => {
                if let Some(thread) = self.thread.as_mut().filter(|thread| thread.peer == contact.address) {
                    thread.contact = contact;
                }
            }
            Answer::Sent { peer, ticket, rows } => {
                self.outbox.sent(&peer, ticket);
                self.list.changed();
                if let Some(thread) = self.thread.as_mut().filter(|thread| thread.peer == peer) {
                    thread.take(None, FRESH, rows);
                }
            }
            Answer::NotSent { peer, ticket, why } => self.not_sent(&peer, ticket, why),
            Answer::Read => self.list.changed(),
            Answer::Found { text, found } => {
                if let Some(Panel::Find(find)) = &mut self.panel {
                    find.answer(&text, found);
                }
            }
            Answer::Safety { peer, number } => {
                if let Some(Panel::Card(card)) = &mut self.panel
                    && card.peer == peer
                {
                    card.number = Some(number.map_err(|error| text::clean(&error)));
                }
            }
            Answer::Accepted(peer) => {
                self.outbox.accepted(&peer);
                self.say("The new identity key is accepted; what waited for that is sent");
                self.refresh(&peer);
            }
            Answer::OtherKey(peer) => {
                self.say("The identity key has changed once more: compare the new safety number");
                self.refresh(&peer);
            }
            Answer::Noted(peer) => self.refresh(&peer),
            Answer::Failed(error) => self.say(text::clean(&error)),
        }
    }

    fn not_sent(&mut self, peer: &Address, ticket: u64, why: Why) {
        if why == Why::Key {
            self.list.changed();
            self.ask_acceptance(peer);
        } else if self.thread.as_ref().is_none_or(|thread| thread.peer != *peer) {
            self.say(format!("A message to {} is not sent: look there", self.label(peer)));
        }
        let why = match why {
            Why::Temporary(why) => Why::Temporary(text::clean(&why)),
            Why::Final(why) => Why::Final(text::clean(&why)),
            Why::Key => Why::Key,
        };
        self.outbox.not_sent(peer, ticket, why, self.now);
    }

    /// A new identity key stands in the way. Its card comes by itself, but not over something that is being written.
    fn ask_acceptance(&mut self, peer: &Address) {
        let open = self.thread.as_ref().is_some_and(|thread| thread.peer == *peer);
        if open && self.panel.is_none() && self.draft.is_empty() {
            self.panel = Some(Panel::Card(Card::unasked(peer.clone(), self.now)));
            self.effects.push(Effect::Safety(peer.clone()));
        } else {
            let text = format!("The identity key of {} has changed: see Ctrl-O in that conversation", self.label(peer));
            self.say(text);
        }
    }

    fn status(&mut self, change: &StatusChange) {
        match self.thread.as_mut().filter(|thread| thread.peer == change.receiver) {
            Some(thread) => thread.status(change),
            None if change.state == State::Undeliverable => {
                self.say(format!("A message to {} is undeliverable: look there", self.label(&change.receiver)));
            }
            None => {}
        }
    }

    /// The storage has something new: of someone, or perhaps of anyone.
    fn changed(&mut self, peer: Option<&Address>) {
        self.list.changed();
        if let Some(thread) = self.thread.as_mut().filter(|thread| peer.is_none_or(|peer| thread.peer == *peer)) {
            thread.changed();
        }
    }

    /// What is noted of someone has changed.
    fn refresh(&mut self, peer: &Address) {
        self.changed(Some(peer));
        self.effects.push(Effect::Contact(peer.clone()));
        if let Some(Panel::Card(card)) = &mut self.panel
            && card.peer == *peer
        {
            // Whatever was compared, it may be about another key now.
            card.number = None;
            self.effects.push(Effect::Safety(peer.clone()));
        }
    }

    fn label(&self, peer: &Address) -> String {
        let petname = self.list.of(peer).and_then(|known| known.contact.petname.as_deref());
        label(peer, petname, &self.own)
    }
}
