//! What the senders of settled messages are told.

use missive_wire::{Address, Code, MessageId, State, StatusUpdate};

use crate::model::{DeviceKey, NewStatus};

/// A status for another device, to be passed to its mailbox if that is awake.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    /// The device that sent the message.
    pub device: DeviceKey,
    /// What became of it.
    pub status: StatusUpdate,
}

impl Notice {
    /// Of a status that was stored.
    pub fn of(status: NewStatus) -> Self {
        let NewStatus { device, message_id, state, sender, code } = status;
        Self { device, status: update(vec![message_id], state, &sender, code) }
    }
}

/// A status as the message's sender is told it.
pub(super) fn update(ids: Vec<MessageId>, state: State, sender: &Address, code: Option<Code>) -> StatusUpdate {
    match ids.as_slice() {
        [id] => StatusUpdate { message_id: Some(*id), message_ids: Vec::new(), state, sender: sender.clone(), code },
        _ => StatusUpdate { message_id: None, message_ids: ids, state, sender: sender.clone(), code },
    }
}

/// Joins notices to the same device that say the same.
pub fn merge(notices: Vec<Notice>) -> Vec<Notice> {
    let mut merged: Vec<Notice> = Vec::new();
    for notice in notices {
        let alike = |one: &&mut Notice| {
            one.device == notice.device
                && one.status.state == notice.status.state
                && one.status.sender == notice.status.sender
                && one.status.code == notice.status.code
                && one.status.ids().count() < missive_wire::MESSAGE_IDS_MAX
        };
        if let Some(one) = merged.iter_mut().rev().find(alike) {
            let ids = one.status.ids().chain(notice.status.ids()).collect();
            one.status = update(ids, notice.status.state, &notice.status.sender, notice.status.code);
        } else {
            merged.push(notice);
        }
    }
    merged
}
