//! What a batch of operations must come to, one operation after the other, in the order of the phases. Nothing is counted
//! here: whether there is room is looked up in the rows each time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use homeserver::{
    model::{DeviceKey, EnvelopeKey, MessageSelector, NewEnvelope, NewStatus, PendingRow},
    store::{Quota, WriteOp, WriteResult},
};
use missive_wire::{Address, ClaimedBundle, Code, DeviceId, MessageId, State};
use uuid::Uuid;

/// The homeserver that the model is of.
pub const OWN: &str = "one.example";

/// Entries and bytes.
pub type Held = (i64, i64);

type StatusKey = (DeviceKey, MessageId, String);

#[derive(Default)]
pub struct Model {
    pub devices: BTreeSet<DeviceKey>,
    pub revoked: BTreeSet<Uuid>,
    pub messages: BTreeMap<i64, (DeviceKey, PendingRow)>,
    /// How many bytes each message had.
    bytes: BTreeMap<i64, i64>,
    pub statuses: BTreeMap<StatusKey, (State, Option<Code>)>,
    /// The ids of one-time keys that are left, of EC and Kyber alike.
    pub keys: BTreeMap<DeviceKey, Vec<u32>>,
    pub outbox: HashMap<EnvelopeKey, Envelope>,
    /// What other homeservers claimed, of which account.
    claims: HashMap<Uuid, (Uuid, ClaimedBundle)>,
}

/// An envelope in the outbox.
pub struct Envelope {
    /// Its place, once that has been seen.
    pub seq: Option<i64>,
    pub bytes: i64,
}

/// The pairs that found no room, for messages and for envelopes.
#[derive(Default)]
struct Full {
    messages: HashSet<Pair>,
    envelopes: HashSet<OutPair>,
}

type OutPair = (usize, Uuid, Option<DeviceId>, Address, Option<DeviceId>);

/// A request's device, and the one that it sends to.
type Pair = (usize, DeviceKey, String, u8);

/// An operation, of which request, and what it came to.
#[derive(Clone, Copy)]
pub struct Ran<'a> {
    pub request: usize,
    pub op: &'a WriteOp,
    pub result: &'a WriteResult,
}

fn order(state: State) -> usize {
    let rising = [State::Undeliverable, State::Received, State::Read];
    rising.iter().position(|one| *one == state).unwrap()
}

fn origin(sender: &str) -> Option<&str> {
    let (_, server) = sender.split_once('@').unwrap();
    (server != OWN).then_some(server)
}

impl Model {
    /// Runs a batch, comparing what each operation came to.
    pub fn run(&mut self, batch: &[Ran<'_>]) {
        let (mut segments, mut of_request) = (Vec::<Vec<Ran<'_>>>::new(), BTreeMap::<usize, usize>::new());
        for ran in batch {
            let segment = of_request.entry(ran.request).or_default();
            segments.resize(segments.len().max(*segment + 1), Vec::new());
            segments[*segment].push(*ran);
            *segment += usize::from(matches!(ran.op, WriteOp::Settle { which: MessageSelector::Id(_), .. }));
        }
        let mut full = Full::default();
        for segment in segments {
            self.run_segment(&segment, &mut full);
        }
    }

    fn run_segment(&mut self, segment: &[Ran<'_>], full: &mut Full) {
        for ran in segment {
            self.store(ran, &mut full.messages);
        }
        let (mut told, mut elsewhere) = (Vec::new(), Vec::new());
        for ran in segment {
            self.settle(ran, &mut told, &mut elsewhere);
        }
        for envelope in elsewhere {
            let bytes = length(&envelope);
            self.outbox.entry(envelope.key).or_insert(Envelope { seq: None, bytes });
        }
        for ran in segment {
            self.enqueue(ran, &mut full.envelopes);
        }
        for ran in segment {
            told.extend(self.dequeue(ran));
        }
        for status in told {
            self.put(&status, None);
        }
        for ran in segment {
            if let WriteOp::PutStatus(status, quota) = ran.op {
                let expected = self.put(status, *quota);
                assert_eq!(format!("{:?}", ran.result), expected, "{:?}", ran.op);
            }
        }
        self.acknowledge(segment);
        for ran in segment {
            self.claim(ran);
        }
    }

    fn enqueue(&mut self, ran: &Ran<'_>, full: &mut HashSet<OutPair>) {
        let WriteOp::Enqueue { envelope, quota } = ran.op else { return };
        let key = &envelope.key;
        if let Some(kept) = self.outbox.get_mut(key) {
            let WriteResult::Stored { seq, new: false } = *ran.result else { panic!("{:?}", ran.result) };
            assert_eq!(*kept.seq.get_or_insert(seq), seq);
            return;
        }
        let bytes = length(envelope);
        let share = share_of(key);
        let pair = (ran.request, key.account, key.device, key.receiver.clone(), key.receiver_device);
        let known = self.devices.iter().any(|device| device.account == key.account);
        if quota.is_some() && full.contains(&pair) {
            assert!(matches!(ran.result, WriteResult::Full), "{:?}", ran.result);
        } else if quota.is_some() && (!known || self.revoked.contains(&key.account)) {
            assert!(matches!(ran.result, WriteResult::Gone), "{:?}", ran.result);
        } else if quota.is_some_and(|quota| !self.has_room(key.account, &share, bytes, quota)) {
            assert!(matches!(ran.result, WriteResult::Full), "{:?}", ran.result);
            full.insert(pair);
        } else {
            let WriteResult::Stored { seq, new: true } = *ran.result else { panic!("{:?}", ran.result) };
            assert!(self.outbox.values().all(|other| other.seq.is_none_or(|other| other < seq)), "places rise");
            self.outbox.insert(key.clone(), Envelope { seq: Some(seq), bytes });
        }
    }

    fn dequeue(&mut self, ran: &Ran<'_>) -> Option<NewStatus> {
        let WriteOp::Dequeue { row, status } = ran.op else { return None };
        let there = self.outbox.get(&row.key).is_some_and(|kept| kept.seq == Some(row.seq));
        assert_eq!(format!("{:?}", ran.result), format!("Done({})", u8::from(there)));
        if !there {
            return None;
        }
        self.outbox.remove(&row.key);
        status.clone()
    }

    fn store(&mut self, ran: &Ran<'_>, full: &mut HashSet<Pair>) {
        let WriteOp::Store { device, message, quota } = ran.op else { return };
        let sender = message.sender.to_string();
        let kept = self.messages.iter().find(|(_, (of, row))| {
            of == device
                && row.message_id == message.id
                && row.sender == message.sender
                && row.sender_device == message.sender_device
        });
        if let Some((kept, _)) = kept {
            assert!(matches!(ran.result, WriteResult::Stored { seq, new: false } if seq == kept), "{:?}", ran.result);
            return;
        }
        let bytes = i64::try_from(message.content.decode().len()).unwrap();
        let pair = (ran.request, *device, sender.clone(), message.sender_device.get());
        if full.contains(&pair) {
            assert!(matches!(ran.result, WriteResult::Full), "{:?}", ran.result);
        } else if !self.devices.contains(device) || self.revoked.contains(&device.account) {
            assert!(matches!(ran.result, WriteResult::Gone), "{:?}", ran.result);
        } else if !self.has_room(device.account, &sender, bytes, *quota) {
            assert!(matches!(ran.result, WriteResult::Full), "{:?}", ran.result);
            full.insert(pair);
        } else {
            let WriteResult::Stored { seq, new: true } = *ran.result else { panic!("{:?}", ran.result) };
            assert!(self.messages.keys().all(|other| *other < seq), "places rise");
            let row = PendingRow {
                seq,
                sender: message.sender.clone(),
                sender_id: message.sender_id,
                sender_device: message.sender_device,
                message_id: message.id,
            };
            self.messages.insert(seq, (*device, row));
            self.bytes.insert(seq, bytes);
        }
    }

    fn settle(&mut self, ran: &Ran<'_>, here: &mut Vec<NewStatus>, elsewhere: &mut Vec<NewEnvelope>) {
        let WriteOp::Settle { device, receiver, which, state, code } = ran.op else { return };
        let meant = |row: &PendingRow| match which {
            MessageSelector::Triple(sender, device, id) => {
                (&row.sender, row.sender_device, row.message_id) == (sender, *device, *id)
            }
            MessageSelector::Id(id) => row.message_id == *id,
            MessageSelector::Row(wanted) => row.seq == wanted.seq,
        };
        let gone = self.messages.extract_if(.., |_, (of, row)| of == device && meant(row)).collect::<Vec<_>>();
        let WriteResult::Settled(rows) = ran.result else { panic!("{:?}", ran.result) };
        let settled = rows.iter().map(|row| (row.seq, row.message_id, row.sender, row.elsewhere.clone()));
        let expected = gone.iter().map(|(seq, (_, row))| {
            let elsewhere = row.sender_id.is_none().then(|| row.sender.clone());
            (*seq, row.message_id, row.sending_device(), elsewhere)
        });
        assert_eq!(settled.collect::<BTreeSet<_>>(), expected.collect(), "{which:?}");
        for (_, (_, row)) in gone {
            elsewhere.extend(row.status_elsewhere(device.account, receiver, *state, *code));
            let Some(device) = row.sending_device() else { continue };
            let (message_id, sender) = (row.message_id, receiver.clone());
            here.push(NewStatus { device, message_id, state: *state, sender, code: *code });
        }
    }

    fn put(&mut self, status: &NewStatus, quota: Option<Quota>) -> String {
        let key = (status.device, status.message_id, status.sender.to_string());
        let kept = self.statuses.get(&key).map(|(state, _)| order(*state));
        if kept.is_some_and(|kept| kept >= order(status.state)) {
            return "Done(0)".to_owned();
        }
        if kept.is_none() {
            let revoked = self.revoked.contains(&status.device.account) && quota.is_some();
            if !self.devices.contains(&status.device) || revoked {
                return "Gone".to_owned();
            }
            if quota.is_some_and(|quota| !self.has_room(status.device.account, &key.2, 0, quota)) {
                return "Full".to_owned();
            }
        }
        self.statuses.insert(key, (status.state, status.code));
        "Done(1)".to_owned()
    }

    fn acknowledge(&mut self, segment: &[Ran<'_>]) {
        for ran in segment {
            let WriteOp::AcknowledgeStatuses { device, ids, state } = ran.op else { continue };
            let gone = self.statuses.extract_if(.., |(of, id, _), (kept, _)| {
                of == device && ids.contains(id) && state.is_none_or(|state| state == *kept)
            });
            let gone = gone.count();
            assert!(matches!(ran.result, WriteResult::Done(rows) if *rows == gone as u64), "{:?}", ran.result);
        }
    }

    fn claim(&mut self, ran: &Ran<'_>) {
        let WriteOp::Claim { account, remote } = ran.op else { return };
        let WriteResult::Claimed(claimed) = ran.result else { panic!("{:?}", ran.result) };
        let refused = claimed.as_ref().err().map(|refusal| refusal.code);
        if !self.devices.iter().any(|device| device.account == *account) {
            assert_eq!(refused, Some(Code::NotFound));
        } else if self.revoked.contains(account) {
            assert_eq!(refused, Some(Code::ReceiverGone));
        } else if let Some((of, bundle)) = remote.as_ref().and_then(|remote| self.claims.get(&remote.claim_id)) {
            assert_eq!(refused, (of != account).then_some(Code::Malformed));
            assert!(
                claimed.as_ref().is_ok_and(|claimed| claimed.left.is_empty() && claimed.bundle == *bundle)
                    || of != account
            );
        } else if !self.keys.keys().any(|device| device.account == *account) {
            assert_eq!(refused, Some(Code::NoKeys));
        } else {
            let claimed = claimed.as_ref().unwrap();
            let devices = self.keys.iter_mut().filter(|(device, _)| device.account == *account);
            for ((device, keys), claimed) in devices.zip(&claimed.bundle.devices) {
                let reserve = remote.as_ref().map_or(0, |remote| remote.reserve);
                let oldest = (keys.len() > reserve).then(|| keys.remove(0));
                assert_eq!(claimed.device_id, device.device);
                assert_eq!(claimed.pre_key.as_ref().map(|key| key.key_id), oldest);
                assert_eq!(claimed.pq_pre_key.key_id, oldest.unwrap_or(1), "the last resort has id 1");
            }
            if let Some(remote) = remote {
                self.claims.insert(remote.claim_id, (*account, claimed.bundle.clone()));
            }
        }
    }

    fn has_room(&self, account: Uuid, sender: &str, bytes: i64, quota: Quota) -> bool {
        let within = |held: Held, part: u64| {
            let (entries, most) = match part {
                1 => (quota.entries, quota.bytes),
                part => ((quota.entries / part).max(64), (quota.bytes / part).max(512 * 1024)),
            };
            held.0 < i64::try_from(entries).unwrap() && held.1 + bytes <= i64::try_from(most).unwrap()
        };
        let shares = self.shares();
        let share = |sender: &str| shares.get(&(account, sender.to_owned())).copied().unwrap_or_default();
        let all = self.accounts().get(&account).copied().unwrap_or_default();
        let of_origin = origin(sender).map(|server| share(&format!("@{server}")));
        within(all, 1) && within(share(sender), 10) && of_origin.is_none_or(|held| within(held, 2))
    }

    /// What every account's rows come to.
    pub fn accounts(&self) -> BTreeMap<Uuid, Held> {
        let mut held = self.devices.iter().map(|device| (device.account, (0, 0))).collect::<BTreeMap<_, Held>>();
        for (account, _, bytes) in self.entries() {
            let held = held.entry(account).or_default();
            *held = (held.0 + 1, held.1 + bytes);
        }
        held
    }

    /// What the rows of every sender, and of every other homeserver, come to.
    pub fn shares(&self) -> BTreeMap<(Uuid, String), Held> {
        let mut held = BTreeMap::<_, Held>::new();
        for (account, sender, bytes) in self.entries() {
            let origin = origin(&sender).map(|server| format!("@{server}"));
            for sender in [Some(sender), origin].into_iter().flatten() {
                let held = held.entry((account, sender)).or_default();
                *held = (held.0 + 1, held.1 + bytes);
            }
        }
        held
    }

    fn entries(&self) -> impl Iterator<Item = (Uuid, String, i64)> {
        let bytes = |row: &PendingRow| self.bytes[&row.seq];
        let messages = self.messages.values().map(move |(of, row)| (of.account, row.sender.to_string(), bytes(row)));
        let statuses = self.statuses.keys().map(|(of, _, speaker)| (of.account, speaker.clone(), 0));
        // Of accounts that there are.
        let outbox = self.outbox.iter().filter(|(key, _)| self.devices.iter().any(|one| one.account == key.account));
        let outbox = outbox.map(|(key, kept)| (key.account, share_of(key), kept.bytes));
        messages.chain(statuses).chain(outbox)
    }
}

fn share_of(key: &EnvelopeKey) -> String {
    if key.state.is_some() { key.receiver.to_string() } else { format!("{}/out", key.receiver) }
}

fn length(envelope: &NewEnvelope) -> i64 {
    i64::try_from(envelope.json.len()).unwrap()
}
