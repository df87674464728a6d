//! A connected device, as its mailbox knows it: what is stored for it, and what of that it was sent over this link.

use std::{collections::HashSet, sync::Arc};

use missive_wire::{MessageId, ServerFrame, State, StatusUpdate};
use uuid::Uuid;

use super::{Link, Outgoing, WINDOW, statuses::Statuses};
use crate::model::{SettledRow, StoredMessage, StoredStatus};

/// A link and what is known of its device.
#[derive(Debug)]
pub(super) struct Connected {
    link: Link,
    greeted: bool,
    count: Count,
    /// Rows in the store, as counted and as changed by this mailbox since.
    stored: u64,
    /// Whether the store is to be read even if nothing seems to be missing.
    look: bool,
    /// Rows sent over this link and not yet acknowledged.
    on_device: HashSet<i64>,
    /// The newest row at connect, until everything up to it has been sent.
    horizon: Option<i64>,
    statuses: Statuses,
    /// Whether a frame found no room: what is sent is bounded, so such a peer has stopped reading, or is gone.
    broken: bool,
}

/// Whether the number of stored rows is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Wanted,
    Running,
    Known,
}

impl Connected {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            greeted: false,
            count: Count::Wanted,
            stored: 0,
            look: false,
            on_device: HashSet::new(),
            horizon: None,
            statuses: Statuses::default(),
            broken: false,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.link.id
    }

    pub(super) fn session(&self) -> Uuid {
        self.link.session
    }

    /// Whether nothing waits for the device in the store, as far as that is known.
    pub(super) fn is_drained(&self) -> bool {
        self.greeted && self.count == Count::Known && self.stored == 0
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn wants_count(&self) -> bool {
        self.count == Count::Wanted
    }

    /// Whether there is something to read, and room for it: refilled at half, so that a read is worth it.
    pub(super) fn wants_messages(&self) -> bool {
        let more = self.stored > self.on_device.len() as u64 && self.on_device.len() <= WINDOW / 2;
        self.greeted && (more || self.look)
    }

    pub(super) fn wants_statuses(&self) -> bool {
        self.greeted && self.statuses.wants_more()
    }

    /// Sends a frame; whether there was room for it.
    pub(super) fn send(&mut self, outgoing: Outgoing) -> bool {
        let sent = self.link.frames.send(outgoing);
        self.broken |= !sent;
        sent
    }

    pub(super) fn count_begun(&mut self) {
        self.count = Count::Running;
    }

    /// A job failed; if it was the count, it is asked for again.
    pub(super) fn job_failed(&mut self) {
        if self.count == Count::Running {
            self.count = Count::Wanted;
        }
    }

    /// The store has been counted: `newest` is the place of its newest message.
    pub(super) fn counted(&mut self, stored: u64, newest: i64) {
        match self.count {
            Count::Running => self.count = Count::Known,
            // Counted for the link before this one.
            _ if !self.greeted => return,
            _ => {}
        }
        self.stored = stored;
        if !self.greeted {
            self.greeted = true;
            self.horizon = Some(newest);
            self.send(Outgoing::Hello { pending: stored });
        }
        self.tell_drained();
    }

    /// The oldest messages of the store have been read.
    pub(super) fn read(&mut self, rows: Vec<StoredMessage>) {
        if !self.greeted {
            return;
        }
        let whole = rows.len() < WINDOW;
        let reached = if whole { i64::MAX } else { rows.last().map_or(0, |row| row.seq) };
        if whole {
            self.stored = rows.len() as u64;
        }
        self.look = false;
        // What another process settled is no longer awaited.
        self.on_device.retain(|seq| *seq > reached || rows.iter().any(|row| row.seq == *seq));
        for row in rows {
            if self.on_device.contains(&row.seq) {
                continue;
            }
            if self.on_device.len() >= WINDOW || !self.send(Outgoing::Message(Arc::new(row.message))) {
                return;
            }
            self.on_device.insert(row.seq);
        }
        if self.horizon.is_some_and(|horizon| horizon <= reached) {
            self.horizon = Some(0);
        }
        self.tell_drained();
    }

    /// A message has been stored; `sent_over` is the link that it was sent over before.
    pub(super) fn stored(&mut self, seq: i64, new: bool, sent_over: Option<u64>) {
        self.stored += u64::from(new);
        if sent_over == Some(self.link.id) {
            self.on_device.insert(seq);
        }
    }

    /// Stored messages have been settled.
    pub(super) fn settled(&mut self, rows: &[SettledRow]) {
        self.stored = self.stored.saturating_sub(rows.len() as u64);
        for row in rows {
            self.on_device.remove(&row.seq);
        }
    }

    /// What became of a write is unknown: the store is counted and read again, and what it has is sent again.
    pub(super) fn write_failed(&mut self) {
        self.on_device.clear();
        self.look_again();
    }

    /// The store may have changed without this mailbox.
    pub(super) fn look_again(&mut self) {
        self.count = Count::Wanted;
        self.look = true;
        self.statuses.look_again();
    }

    /// The oldest statuses of the store have been read.
    pub(super) fn statuses_read(&mut self, rows: Vec<StoredStatus>) {
        if self.greeted {
            self.broken |= !self.statuses.read(rows, &self.link.frames);
            self.tell_drained();
        }
    }

    /// A status was stored for the device. One that comes before the greeting is read from the store after it.
    pub(super) fn tell_status(&mut self, status: StatusUpdate) {
        if self.greeted {
            self.broken |= !self.statuses.tell(status, &self.link.frames);
        }
    }

    pub(super) fn statuses_acknowledged(&mut self, ids: &[MessageId], state: Option<State>) {
        self.statuses.acknowledged(ids, state);
    }

    /// Says `drained` once, when everything that was stored at connect has been sent.
    pub(super) fn tell_drained(&mut self) {
        let nothing = self.stored == 0 || self.horizon == Some(0);
        if self.greeted && self.horizon.is_some() && nothing && self.statuses.is_known() {
            self.horizon = None;
            self.send(Outgoing::Frame(Box::new(ServerFrame::Drained { drained: true })));
        }
    }
}
