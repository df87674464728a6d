//! A connected device, as its mailbox knows it: what is stored for it, and what of that it was sent over this link.

use std::{collections::VecDeque, sync::Arc};

use missive_wire::{MessageId, PeerIncarnation, ServerFrame, State, StatusUpdate};
use uuid::Uuid;

use super::{Link, Outgoing, Reading, WINDOW, statuses::Statuses};
use crate::model::{MessageSelector, PendingRow, SettledRow, StoredMessage, StoredStatus};

/// A link and what is known of its device.
#[derive(Debug)]
pub(super) struct Connected {
    link: Link,
    greeted: bool,
    count: Count,
    /// Rows in the store, as counted and as changed by this mailbox since.
    stored: u64,
    /// Whether all is to be read again, even if nothing seems to be missing.
    look: bool,
    /// The read that runs.
    asked: Asked,
    /// Rows sent over this link and not yet acknowledged.
    on_device: VecDeque<PendingRow>,
    /// The place of the oldest row that was read: below it there is none, and none will be.
    floor: i64,
    /// The newest row at connect, until everything up to it has been sent.
    horizon: Option<i64>,
    statuses: Statuses,
    /// Whether a frame found no room: what is sent is bounded, so such a peer has stopped reading, or is gone.
    broken: bool,
}

/// What a read was asked for.
#[derive(Debug, Default)]
struct Asked {
    /// At most so many rows.
    limit: usize,
    /// Of all that is stored, and not only of what is missing.
    all: bool,
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
            asked: Asked::default(),
            on_device: VecDeque::new(),
            floor: 0,
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

    /// What to read: what is missing, or all.
    pub(super) fn read_begun(&mut self) -> Reading {
        let all = std::mem::take(&mut self.look);
        let (floor, except) =
            if all { (0, Vec::new()) } else { (self.floor, self.on_device.iter().map(|row| row.seq).collect()) };
        let limit = WINDOW - except.len().min(WINDOW / 2);
        self.asked = Asked { limit, all };
        Reading { floor, except, limit }
    }

    /// A job failed; if it was the count or a look at all, it is asked for again.
    pub(super) fn job_failed(&mut self) {
        self.look |= std::mem::take(&mut self.asked).all;
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
        let Asked { limit, all } = std::mem::take(&mut self.asked);
        let whole = rows.len() < limit;
        let reached = if whole { i64::MAX } else { rows.last().map_or(0, |row| row.seq) };
        if all {
            // What another process settled is no longer awaited.
            self.on_device.retain(|one| one.seq > reached || rows.iter().any(|row| row.seq == one.seq));
        }
        if whole {
            self.stored = (rows.len() + if all { 0 } else { self.on_device.len() }) as u64;
        }
        let places = self.on_device.iter().map(|row| row.seq).chain(rows.first().map(|row| row.seq));
        self.floor = places.min().unwrap_or(self.floor);
        for row in rows {
            if self.on_device.iter().any(|one| one.seq == row.seq) {
                continue;
            }
            let pending = row.row();
            if self.on_device.len() >= WINDOW || !self.send(Outgoing::Message(Arc::new(row.message))) {
                return;
            }
            self.on_device.push_back(pending);
        }
        if self.horizon.is_some_and(|horizon| horizon <= reached) {
            self.horizon = Some(0);
        }
        self.tell_drained();
    }

    /// A message has been stored; `sent_over` is the link that it was sent over before.
    pub(super) fn stored(&mut self, row: PendingRow, new: bool, sent_over: Option<u64>) {
        self.stored += u64::from(new);
        let is_known = || self.on_device.iter().any(|one| one.seq == row.seq);
        if sent_over == Some(self.link.id) && !is_known() {
            self.on_device.push_back(row);
        }
    }

    /// The row that is meant, if it is on the device.
    pub(super) fn row(&self, which: &MessageSelector) -> Option<&PendingRow> {
        let MessageSelector::Triple(sender, device, id) = which else { return None };
        self.on_device.iter().find(|row| row.message_id == *id && row.sender_device == *device && row.sender == *sender)
    }

    /// A row that was to be settled was not there: another process has settled it.
    pub(super) fn was_not_there(&mut self, seq: i64) {
        if let Some(place) = self.on_device.iter().position(|one| one.seq == seq) {
            self.on_device.remove(place);
            self.look_again();
        }
    }

    /// Stored messages have been settled.
    pub(super) fn settled(&mut self, rows: &[SettledRow]) {
        self.stored = self.stored.saturating_sub(rows.len() as u64);
        self.on_device.retain(|one| !rows.iter().any(|row| row.seq == one.seq));
    }

    /// What became of a write is unknown: the store is counted and read again, and what it has is sent again.
    pub(super) fn write_failed(&mut self) {
        self.on_device.clear();
        self.floor = 0;
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

    /// Another server was restored. Whoever is greeted later is told right after the greeting.
    pub(super) fn tell_restored(&mut self, peer: PeerIncarnation) {
        if self.greeted {
            self.send(Outgoing::Frame(Box::new(ServerFrame::PeerIncarnation { peer_incarnation: peer })));
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
