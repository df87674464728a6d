//! `pending_shares`: what each sender, and each other homeserver, takes of an account's pending store, and each receiver
//! elsewhere of its outbox, so that none fills it alone. Read once a transaction, kept in memory, written back before the commit: the cost of a message does not grow
//! with what is stored.
//!
//! Whoever changes what an account's store holds holds the account's row first, until the commit. So what is read then
//! stays true, and is written back as it is. A message's `seq` is taken after that too, so an account's places become
//! visible in their order: nothing can appear below one that is visible ([`super::Store::pending_messages`] relies on it).

mod load;
mod quota;

use std::collections::HashMap;

use missive_wire::{DeviceId, ServerName};
use uuid::Uuid;

use super::{Result, corrupt};
use crate::model::{DeviceKey, EnvelopeKey};

use quota::Held;
pub use quota::Quota;

/// Whether there is room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It is taken.
    Taken,
    /// The account's store, or the share of the sender or its server, is full.
    Full,
    /// The device is no more, or its account is revoked.
    Gone,
}

/// What a transaction knows of the shares, and has changed.
pub(super) struct Shares {
    /// This homeserver, as the end of an address: `@one.example`.
    own: String,
    accounts: HashMap<Uuid, Option<Account>>,
}

/// An account that exists and is held.
struct Account {
    revoked: bool,
    devices: Vec<DeviceId>,
    held: Held,
    /// By address; what a whole homeserver takes is under `@server`.
    shares: HashMap<String, Held>,
}

/// Under which name an envelope is counted. A message to an address is counted apart from what comes from there. A status
/// is counted with that, since it was caused there: a homeserver that takes no statuses fills its own share, and no more.
pub(super) fn share_of(envelope: &EnvelopeKey) -> String {
    match envelope.state {
        None => format!("{}/out", envelope.receiver),
        Some(_) => envelope.receiver.to_string(),
    }
}

impl Shares {
    /// Knows nothing yet. `own` is this homeserver's name: of its members, none is counted together with the others.
    pub(super) fn new(own: &ServerName) -> Self {
        Self { own: format!("@{}", own.as_str()), accounts: HashMap::new() }
    }

    /// Whether an account that was held is revoked; `None` if there is no such account.
    pub(super) fn is_revoked(&self, account: Uuid) -> Option<bool> {
        self.accounts.get(&account).and_then(Option::as_ref).map(|account| account.revoked)
    }

    /// Takes room for a message or status from `sender` in the store of a device's account, within the quota, if one is
    /// given. The share must have been loaded.
    pub(super) fn take(&mut self, device: DeviceKey, sender: &str, bytes: i64, quota: Option<Quota>) -> Result<Room> {
        let account = self.accounts.get(&device.account).and_then(Option::as_ref);
        if account.is_none_or(|account| !account.devices.contains(&device.device)) {
            return Ok(Room::Gone);
        }
        self.take_of_account(device.account, sender, bytes, quota)
    }

    /// The same where it is of no device that must be there.
    pub(super) fn take_of_account(
        &mut self,
        account: Uuid,
        sender: &str,
        bytes: i64,
        quota: Option<Quota>,
    ) -> Result<Room> {
        let origin = self.origin(sender);
        let Some(Some(account)) = self.accounts.get_mut(&account) else { return Ok(Room::Gone) };
        if account.revoked && quota.is_some() {
            return Ok(Room::Gone);
        }
        if let Some(quota) = quota {
            let of_origin = origin.map(|origin| account.share(origin)).transpose()?;
            let room = account.held.has_room(bytes, quota)
                && account.share(sender)?.has_room(bytes, quota.of_sender())
                && of_origin.is_none_or(|held| held.has_room(bytes, quota.of_origin()));
            if !room {
                return Ok(Room::Full);
            }
        }
        account.add(sender, origin, 1, bytes)?;
        Ok(Room::Taken)
    }

    /// Gives back what a message or status from `sender` took. The share must have been loaded.
    pub(super) fn give(&mut self, account: Uuid, sender: &str, bytes: i64) -> Result<()> {
        let origin = self.origin(sender);
        match self.accounts.get_mut(&account) {
            Some(Some(account)) => account.add(sender, origin, -1, -bytes),
            _ => Ok(()),
        }
    }

    /// The other homeserver that an address is of, as `@server`; as `@server/out` for messages to there.
    fn origin<'a>(&self, sender: &'a str) -> Option<&'a str> {
        let origin = sender.find('@').and_then(|at| sender.get(at..))?;
        (origin != self.own).then_some(origin)
    }
}

impl Account {
    fn share(&self, sender: &str) -> Result<Held> {
        self.shares.get(sender).copied().ok_or_else(|| corrupt("share"))
    }

    fn add(&mut self, sender: &str, origin: Option<&str>, entries: i64, bytes: i64) -> Result<()> {
        self.held.add(entries, bytes);
        for sender in [Some(sender), origin].into_iter().flatten() {
            self.shares.get_mut(sender).ok_or_else(|| corrupt("share"))?.add(entries, bytes);
        }
        Ok(())
    }
}
