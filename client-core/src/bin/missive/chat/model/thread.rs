//! The chosen conversation: the part of it that has been read from the storage.

use std::collections::{BTreeMap, HashSet};

use client_core::{
    Contact, Direction, StatusChange, StoredMessage,
    wire::{Address, State},
};

use super::{
    outbox::Unsent,
    scroll::{Anchor, Sheet},
};
use crate::chat::{
    exchange::{Effect, FRESH, PAGE},
    rows::{Key, Row},
    text,
};

/// A name before a message takes at most so many columns.
const NAME_MAX: usize = 24;

/// A conversation that is on the screen.
#[derive(Debug)]
pub(in crate::chat) struct Thread {
    pub(in crate::chat) peer: Address,
    pub(in crate::chat) contact: Contact,
    pub(in crate::chat) anchor: Option<Anchor>,
    rows: BTreeMap<i64, StoredMessage>,
    /// Nothing is before the first row.
    complete: bool,
    /// The newest rows are to be read again.
    stale: bool,
    /// A page is being read.
    reading: bool,
    /// Between these positions, rows came faster than they were read.
    gap: Option<(i64, i64)>,
    /// Received rows that were on the screen.
    seen: HashSet<i64>,
}

impl Thread {
    pub(super) fn new(peer: Address) -> Self {
        let contact = Contact { address: peer.clone(), petname: None, verified: false, blocked: false };
        Self {
            peer,
            contact,
            anchor: None,
            rows: BTreeMap::new(),
            complete: false,
            stale: true,
            reading: false,
            gap: None,
            seen: HashSet::new(),
        }
    }

    /// What the other party is called here.
    pub(in crate::chat) fn who(&self) -> String {
        let name = self.contact.petname.as_deref().unwrap_or_else(|| self.peer.name.as_str());
        text::cut(&text::clean(name), NAME_MAX)
    }

    /// The rows, with what is unsent behind them.
    pub(in crate::chat) fn sheet<'a>(&'a self, unsent: &'a [Unsent], columns: usize) -> Sheet<'a> {
        let stored = self.rows.iter().map(|(position, message)| Row::Stored(*position, message));
        Sheet { rows: stored.chain(unsent.iter().map(Row::Unsent)).collect(), who: self.who(), columns }
    }

    /// Whether nothing was ever said.
    pub(in crate::chat) fn is_empty(&self) -> bool {
        self.complete && self.rows.is_empty()
    }

    /// How many messages to an account of another homeserver no device of theirs has taken yet.
    pub(in crate::chat) fn held(&self, own: &Address) -> usize {
        if self.peer.server == own.server {
            return 0;
        }
        self.rows.values().filter(|row| row.direction == Direction::Out && row.state == Some(State::Sent)).count()
    }

    /// Something of this conversation has changed in the storage.
    pub(super) fn changed(&mut self) {
        self.stale = true;
    }

    /// A sent message has come further. One that is not here has not been read yet, or is of long ago.
    pub(super) fn status(&mut self, change: &StatusChange) {
        let sent = |row: &&mut StoredMessage| row.direction == Direction::Out && row.id == change.id;
        if let Some(row) = self.rows.values_mut().rev().find(sent) {
            (row.state, row.code) = (Some(change.state), change.code);
        } else {
            self.stale = true;
        }
    }

    /// The page to read next; `more` says that the screen is about to need older rows.
    pub(super) fn want(&mut self, more: bool) -> Option<Effect> {
        if self.reading {
            return None;
        }
        let before = match (self.stale, self.gap, self.rows.keys().next()) {
            (true, ..) => None,
            (false, Some((_, high)), _) => Some(high),
            (false, None, Some(first)) if more && !self.complete => Some(*first),
            _ => return None,
        };
        if before.is_none() {
            self.stale = false;
        }
        self.reading = true;
        let limit = if before.is_none() && !self.rows.is_empty() { FRESH } else { PAGE };
        Some(Effect::Page { peer: self.peer.clone(), before, limit })
    }

    /// Takes in the page that was asked for.
    pub(super) fn page(&mut self, before: Option<i64>, limit: u32, rows: Vec<(i64, StoredMessage)>) {
        self.reading = false;
        self.take(before, limit, rows);
    }

    /// Takes in rows before a position, or the newest, of which there are fewer than the limit only at the beginning.
    pub(super) fn take(&mut self, before: Option<i64>, limit: u32, rows: Vec<(i64, StoredMessage)>) {
        let full = rows.len() >= limit as usize;
        let low = rows.first().map(|(position, _)| *position);
        let newest = self.rows.keys().next_back().copied();
        match (before, self.gap) {
            (None, gap) => match (newest, low) {
                (None, _) => self.complete = !full,
                (Some(newest), Some(low)) if full && low > newest => {
                    self.gap = Some((gap.map_or(newest, |(below, _)| below), low));
                }
                _ => {}
            },
            (Some(_), Some((below, _))) => {
                self.gap = low.filter(|low| full && *low > below).map(|low| (below, low));
            }
            (Some(_), None) => self.complete = !full,
        }
        for (position, mut row) in rows {
            // It may have been read before a status came that is known already. States only rise.
            if let Some(known) = self.rows.get(&position).filter(|known| known.state > row.state) {
                (row.state, row.code) = (known.state, known.code);
            }
            self.rows.insert(position, row);
        }
    }

    /// Received messages among the shown that nobody has seen before, given how many there are in the conversation.
    pub(super) fn see(&mut self, shown: &[Key], unread: u64) -> Vec<StoredMessage> {
        let limit = usize::try_from(unread).unwrap_or(usize::MAX);
        let fresh =
            self.rows.iter().rev().filter(|(at, row)| row.direction == Direction::In && !self.seen.contains(at));
        let shown = fresh.take(limit).filter(|(at, _)| shown.contains(&Key::Stored(**at)));
        let (positions, messages): (Vec<i64>, Vec<StoredMessage>) =
            shown.map(|(at, message)| (*at, message.clone())).unzip();
        self.seen.extend(positions);
        messages
    }
}
