//! Statuses towards a connected device: kept in the store until it says that it has them, and told in a window, so that
//! neither side holds more than it must.

use std::collections::HashSet;

use missive_wire::{MessageId, ServerFrame, State, StatusUpdate};

use super::{Frames, Outgoing, notice::update};
use crate::model::StoredStatus;

/// The most statuses told over a link and not yet acknowledged.
pub(super) const WINDOW: usize = 256;

/// What was told over one link.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    told: HashSet<(MessageId, State)>,
    /// Whether the store was read since the link came.
    known: bool,
    /// Whether the store has more than was told.
    more: bool,
}

impl Statuses {
    /// Tells a status that was just stored, or leaves it in the store while the window is full. False if the link takes
    /// nothing.
    pub(super) fn tell(&mut self, status: StatusUpdate, frames: &Frames) -> bool {
        let ids = status.ids().collect::<Vec<_>>();
        let state = status.state;
        if self.told.len() + ids.len() > WINDOW {
            self.more = true;
            return true;
        }
        let sent = frames.send(Outgoing::Frame(Box::new(ServerFrame::Status(status))));
        if sent {
            self.told.extend(ids.into_iter().map(|id| (id, state)));
        }
        sent
    }

    /// Tells what was read from the store and not yet told. False if the link takes nothing.
    pub(super) fn read(&mut self, rows: Vec<StoredStatus>, frames: &Frames) -> bool {
        self.known = true;
        self.more = rows.len() >= WINDOW;
        let mut rows = rows.into_iter().filter(|row| !self.told.contains(&(row.message_id, row.state))).peekable();
        let mut frames_to_send = Vec::new();
        while let Some(first) = rows.next() {
            let mut ids = vec![first.message_id];
            while let Some(next) = rows.next_if(|next| ids.len() < missive_wire::MESSAGE_IDS_MAX && alike(&first, next))
            {
                ids.push(next.message_id);
            }
            frames_to_send.push(update(ids, first.state, &first.sender, first.code));
        }
        drop(rows);
        frames_to_send.into_iter().all(|status| self.tell(status, frames))
    }

    /// The device has stored statuses.
    pub(super) fn acknowledged(&mut self, ids: &[MessageId], state: Option<State>) {
        let ids = ids.iter().collect::<HashSet<_>>();
        self.told.retain(|(id, told)| !(ids.contains(id) && state.is_none_or(|state| state == *told)));
    }

    /// The store may have more than is known.
    pub(super) fn look_again(&mut self) {
        self.more = true;
    }

    /// Whether the store was read since the link came.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Whether the store should be read.
    pub(super) fn wants_more(&self) -> bool {
        !self.known || (self.more && self.told.len() <= WINDOW / 2)
    }
}

fn alike(one: &StoredStatus, other: &StoredStatus) -> bool {
    one.state == other.state && one.sender == other.sender && one.code == other.code
}
