//! `retention_clock`: how long servers have run on this database; and the messages that have waited longer than that
//! allows.

use std::{collections::BTreeSet, time::Duration};

use missive_wire::{AccountName, Timestamp};
use uuid::Uuid;

use super::{Result, Store, Tx, corrupt, messages::device_of, read, run};
use crate::model::{ControlKind, DeviceKey, MessageSelector, PendingRow};

/// The clock by which messages expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct RetentionClock {
    /// How long servers have run, all told, in milliseconds. It never falls.
    pub millis: i64,
    /// Which server advances it; `None` after that one has stopped.
    pub holder: Option<Uuid>,
    /// Rises with every change.
    pub beat: i64,
}

/// A message that has waited too long.
#[derive(Debug, Clone)]
pub struct ExpiredMessage {
    /// The receiving device.
    pub device: DeviceKey,
    /// The name of its account.
    pub receiver: AccountName,
    /// The sending account, if it is of this homeserver.
    pub sender: Option<Uuid>,
    /// The message.
    pub which: MessageSelector,
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    account_id: Uuid,
    device_id: i64,
    receiver: String,
    sender: String,
    sender_id: Option<Uuid>,
    sender_device: i64,
    message_id: Uuid,
}

impl Store {
    /// Reads the retention clock.
    pub async fn retention_clock(&self) -> Result<RetentionClock> {
        Ok(read!(self, |db| sqlx::query_as("SELECT millis, holder, beat FROM retention_clock").fetch_one(db).await)?)
    }

    /// Advances the retention clock by the time that servers `ran`, and sets its holder, unless anyone has changed it
    /// since it was `seen`. Whether it did.
    pub async fn advance_retention_clock(
        &self,
        seen: &RetentionClock,
        ran: Duration,
        holder: Option<Uuid>,
    ) -> Result<bool> {
        let millis = i64::try_from(ran.as_millis()).map_err(|_| corrupt("time"))?;
        let mut tx = self.begin().await?;
        let changed = run!(&mut tx, |db| sqlx::query(
            "UPDATE retention_clock SET millis = millis + $1, holder = $2, beat = beat + 1 WHERE beat = $3"
        )
        .bind(millis)
        .bind(holder)
        .bind(seen.beat)
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Of the `limit` oldest messages of all, those that were stored when the clock read at most `before`. Their places
    /// rise with the time of storing, so nothing behind them has to be looked at.
    pub async fn expired_messages(&self, before: i64, limit: i64) -> Result<Vec<ExpiredMessage>> {
        let rows: Vec<Row> = read!(self, |db| sqlx::query_as(
            "SELECT oldest.seq, oldest.account_id, oldest.device_id, accounts.name AS receiver, oldest.sender, \
             oldest.sender_id, oldest.sender_device, oldest.message_id FROM \
             (SELECT seq, account_id, device_id, sender, sender_id, sender_device, message_id, stored_at \
             FROM pending_messages ORDER BY seq LIMIT $2) AS oldest \
             JOIN accounts ON accounts.id = oldest.account_id WHERE oldest.stored_at <= $1 ORDER BY oldest.seq"
        )
        .bind(before)
        .bind(limit)
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(ExpiredMessage::try_from).collect()
    }

    /// Lets every server look again at what is stored for these accounts.
    pub async fn tell_stored(&self, accounts: &BTreeSet<Uuid>, at: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        for account in accounts {
            tx.tell(ControlKind::Stored, *account, None, at).await?;
        }
        tx.commit().await
    }
}

impl Tx {
    /// What the retention clock reads.
    pub(super) async fn retention_millis(&mut self) -> Result<i64> {
        Ok(run!(self, |db| sqlx::query_scalar("SELECT millis FROM retention_clock").fetch_one(db).await)?)
    }
}

impl TryFrom<Row> for ExpiredMessage {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let pending = PendingRow {
            seq: row.seq,
            sender: row.sender.parse().map_err(|_| corrupt("address"))?,
            sender_id: row.sender_id,
            sender_device: device_of(row.sender_device)?,
            message_id: row.message_id,
        };
        Ok(Self {
            device: DeviceKey { account: row.account_id, device: device_of(row.device_id)? },
            receiver: row.receiver.parse().map_err(|_| corrupt("name"))?,
            sender: row.sender_id,
            which: MessageSelector::Row(pending),
        })
    }
}
