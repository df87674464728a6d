//! `pending_shares`: what each sender takes of an account's pending store, so that none fills it alone. Read once a
//! transaction, kept in memory, written back before the commit: the cost of a message does not grow with what is stored.

use std::collections::{HashMap, hash_map::Entry};

use missive_wire::DeviceId;
use uuid::Uuid;

use super::{Result, Tx, messages::device_of, run};
use crate::model::DeviceKey;

/// The part of an account's store that one sender may fill.
const SHARE: u64 = 10;

/// However small the quota: a sender's share takes a few of the largest messages …
const SHARE_BYTES_MIN: u64 = 512 * 1024;
/// … and a window of small ones.
const SHARE_ENTRIES_MIN: u64 = 64;

/// How much an account's pending store may hold.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Messages and statuses.
    pub entries: u64,
    /// Bytes of ciphertext.
    pub bytes: u64,
}

/// Whether there is room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is taken.
    Taken,
    /// The account's store, or the sender's share of it, is full.
    Full,
    /// The device is no more, or its account is revoked.
    Gone,
}

/// What a transaction knows of the shares, and has changed.
#[derive(Default)]
pub(crate) struct Shares {
    accounts: HashMap<Uuid, Option<Account>>,
    senders: HashMap<(Uuid, String), Held>,
}

/// An account that exists.
struct Account {
    revoked: bool,
    devices: Vec<DeviceId>,
    held: Held,
}

/// Entries and bytes as they were read, and as they are now.
#[derive(Default, Clone, Copy)]
struct Held {
    read: (i64, i64),
    now: (i64, i64),
}

impl Quota {
    fn share(self) -> Self {
        let entries = (self.entries / SHARE).max(SHARE_ENTRIES_MIN);
        Self { entries, bytes: (self.bytes / SHARE).max(SHARE_BYTES_MIN) }
    }
}

impl Held {
    fn of(read: (i64, i64)) -> Self {
        Self { read, now: read }
    }

    fn has_room(self, bytes: i64, quota: Quota) -> bool {
        let within = |held: i64, more: i64, limit: u64| i128::from(held) + i128::from(more) <= i128::from(limit);
        within(self.now.0, 1, quota.entries) && within(self.now.1, bytes, quota.bytes)
    }

    fn add(&mut self, entries: i64, bytes: i64) {
        self.now.0 += entries;
        self.now.1 += bytes;
    }

    fn change(self) -> (i64, i64) {
        (self.now.0 - self.read.0, self.now.1 - self.read.1)
    }
}

impl Shares {
    /// Keeps everyone else from changing what an account's store holds until the commit: what is there is asked only
    /// after this, so that nobody puts the same row there, or holds a row of it that we wait for.
    pub(crate) async fn hold(&mut self, tx: &mut Tx, account: Uuid) -> Result<()> {
        if let Entry::Vacant(unknown) = self.accounts.entry(account) {
            unknown.insert(tx.account_with_store(account).await?);
        }
        Ok(())
    }

    /// Takes room for a message or status from `sender` in the store of a device's account, within the quota, if one is
    /// given.
    pub(crate) async fn take(
        &mut self,
        tx: &mut Tx,
        device: DeviceKey,
        sender: &str,
        bytes: i64,
        quota: Option<Quota>,
    ) -> Result<Room> {
        let Some((account, share)) = self.load(tx, device.account, sender).await? else { return Ok(Room::Gone) };
        if !account.devices.contains(&device.device) {
            return Ok(Room::Gone);
        }
        if let Some(quota) = quota {
            if account.revoked {
                return Ok(Room::Gone);
            }
            if !account.held.has_room(bytes, quota) || !share.has_room(bytes, quota.share()) {
                return Ok(Room::Full);
            }
        }
        account.held.add(1, bytes);
        share.add(1, bytes);
        Ok(Room::Taken)
    }

    /// Gives back what a message or status from `sender` took.
    pub(crate) async fn give(&mut self, tx: &mut Tx, account: Uuid, sender: &str, bytes: i64) -> Result<()> {
        if let Some((account, share)) = self.load(tx, account, sender).await? {
            account.held.add(-1, -bytes);
            share.add(-1, -bytes);
        }
        Ok(())
    }

    /// Writes back what changed.
    pub(crate) async fn flush(self, tx: &mut Tx) -> Result<()> {
        for (id, account) in self.accounts {
            let (entries, bytes) = account.map(|account| account.held.change()).unwrap_or_default();
            if (entries, bytes) != (0, 0) {
                tx.change_total(id, entries, bytes).await?;
            }
        }
        for ((account, sender), held) in self.senders {
            match (held.change(), held.now) {
                ((0, 0), _) => {}
                (_, (..=0, _)) => tx.forget_share(account, &sender).await?,
                ((entries, bytes), _) => tx.change_share(account, &sender, entries, bytes).await?,
            }
        }
        Ok(())
    }

    async fn load(&mut self, tx: &mut Tx, id: Uuid, sender: &str) -> Result<Option<(&mut Account, &mut Held)>> {
        self.hold(tx, id).await?;
        let share = match self.senders.entry((id, sender.to_owned())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(tx.share_of(id, sender).await?),
        };
        Ok(self.accounts.get_mut(&id).and_then(Option::as_mut).map(|account| (account, share)))
    }
}

impl Tx {
    /// Holds the account until the commit, so that no other replica changes what its store holds meanwhile.
    async fn account_with_store(&mut self, id: Uuid) -> Result<Option<Account>> {
        let Some(revoked) = self.hold_account(id).await? else { return Ok(None) };
        let read =
            run!(self, |db| sqlx::query_as("SELECT pending_entries, pending_bytes FROM accounts WHERE id = $1")
                .bind(id)
                .fetch_one(db)
                .await)?;
        let devices: Vec<i64> =
            run!(self, |db| sqlx::query_scalar("SELECT device_id FROM devices WHERE account_id = $1")
                .bind(id)
                .fetch_all(db)
                .await)?;
        let devices = devices.into_iter().map(device_of).collect::<Result<_>>()?;
        Ok(Some(Account { revoked, devices, held: Held::of(read) }))
    }

    async fn share_of(&mut self, account: Uuid, sender: &str) -> Result<Held> {
        let read: Option<(i64, i64)> = run!(self, |db| sqlx::query_as(
            "SELECT entries, bytes FROM pending_shares WHERE account_id = $1 AND sender = $2"
        )
        .bind(account)
        .bind(sender)
        .fetch_optional(db)
        .await)?;
        Ok(Held::of(read.unwrap_or_default()))
    }

    async fn change_total(&mut self, account: Uuid, entries: i64, bytes: i64) -> Result<()> {
        run!(self, |db| {
            sqlx::query(
            "UPDATE accounts SET pending_entries = pending_entries + $2, pending_bytes = pending_bytes + $3 WHERE id = $1"
        )
        .bind(account)
        .bind(entries)
        .bind(bytes)
        .execute(db)
        .await
        .map(drop)
        })?;
        Ok(())
    }

    async fn change_share(&mut self, account: Uuid, sender: &str, entries: i64, bytes: i64) -> Result<()> {
        run!(self, |db| sqlx::query(
            "INSERT INTO pending_shares (account_id, sender, entries, bytes) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (account_id, sender) DO UPDATE SET entries = pending_shares.entries + excluded.entries, \
             bytes = pending_shares.bytes + excluded.bytes"
        )
        .bind(account)
        .bind(sender)
        .bind(entries)
        .bind(bytes)
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Counts anew what an account's store holds, after rows went in another way: messages must be settled before.
    pub(super) async fn recount_shares(&mut self, account: Uuid) -> Result<()> {
        run!(self, |db| sqlx::query("DELETE FROM pending_shares WHERE account_id = $1")
            .bind(account)
            .execute(db)
            .await
            .map(drop))?;
        run!(self, |db| sqlx::query(
            "INSERT INTO pending_shares (account_id, sender, entries, bytes) SELECT account_id, sender, count(*), 0 \
             FROM message_statuses WHERE account_id = $1 GROUP BY account_id, sender"
        )
        .bind(account)
        .execute(db)
        .await
        .map(drop))?;
        run!(self, |db| sqlx::query(
            "UPDATE accounts SET pending_bytes = 0, \
             pending_entries = (SELECT count(*) FROM message_statuses WHERE account_id = $1) WHERE id = $1"
        )
        .bind(account)
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }

    /// What was delivered leaves no row.
    async fn forget_share(&mut self, account: Uuid, sender: &str) -> Result<()> {
        run!(self, |db| sqlx::query("DELETE FROM pending_shares WHERE account_id = $1 AND sender = $2")
            .bind(account)
            .bind(sender)
            .execute(db)
            .await
            .map(drop))?;
        Ok(())
    }
}
