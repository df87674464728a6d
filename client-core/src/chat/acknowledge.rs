//! Acknowledgements on their way: gathered while frames keep coming, sent when they pause.

use std::collections::BTreeMap;

use missive_wire::{
    Address, ClientFrame, DeviceId, MESSAGE_IDS_MAX, MessageId, Receiver, State, StatusAck, StatusFrame,
};

use super::{inbox::Settled, reads::OwedRead};

/// What is to be said about messages and statuses that are stored.
#[derive(Default)]
pub(super) struct Acknowledgements {
    messages: BTreeMap<(Address, DeviceId, State, Option<Settled>), Vec<MessageId>>,
    statuses: BTreeMap<State, Vec<MessageId>>,
    count: usize,
}

impl Acknowledgements {
    /// A message is stored.
    pub(super) fn message(&mut self, sender: &Address, device: DeviceId, id: MessageId, settled: Settled) {
        let (state, _) = settled.state();
        self.messages.entry((sender.clone(), device, state, Some(settled))).or_default().push(id);
        self.count += 1;
    }

    /// A message has been shown.
    pub(super) fn read(&mut self, owed: OwedRead) {
        self.messages.entry((owed.sender, owed.device, State::Read, None)).or_default().push(owed.id);
        self.count += 1;
    }

    /// Statuses are stored.
    pub(super) fn statuses(&mut self, state: State, ids: &[MessageId]) {
        self.statuses.entry(state).or_default().extend_from_slice(ids);
        self.count += ids.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a frame is full.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MESSAGE_IDS_MAX
    }

    /// Everything, as frames.
    pub(super) fn take(&mut self) -> Vec<ClientFrame> {
        let Self { messages, statuses, .. } = std::mem::take(self);
        let messages = messages.into_iter().flat_map(|((sender, sender_device, state, settled), ids)| {
            let code = settled.and_then(|settled| settled.state().1);
            chunks(&ids).map(move |message_ids| {
                let receiver = Receiver::Address(sender.clone());
                ClientFrame::Status(StatusFrame { message_ids, state, receiver, sender_device, code })
            })
        });
        let statuses = statuses.into_iter().flat_map(|(state, ids)| {
            chunks(&ids).map(move |message_ids| ClientFrame::StatusAck(StatusAck { message_ids, state }))
        });
        messages.chain(statuses).collect()
    }
}

fn chunks(ids: &[MessageId]) -> std::vec::IntoIter<Vec<MessageId>> {
    ids.chunks(MESSAGE_IDS_MAX).map(<[_]>::to_vec).collect::<Vec<_>>().into_iter()
}
