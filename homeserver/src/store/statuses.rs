//! `message_statuses`: what became of sent messages, until the sending device says it knows.

use missive_wire::{Code, MessageId, State};
use uuid::Uuid;

use super::{Quota, Result, Shares, Store, Tx, WriteResult, corrupt, read, run, shares::Room};
use crate::model::{DeviceKey, NewStatus, StoredStatus};

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    message_id: Uuid,
    state: i64,
    sender: String,
    code: Option<String>,
}

impl Store {
    /// A device's oldest statuses, at most `limit`.
    pub async fn statuses(&self, device: DeviceKey, limit: i64) -> Result<Vec<StoredStatus>> {
        let rows: Vec<Row> = read!(self, |db| sqlx::query_as(
            "SELECT seq, message_id, state, sender, code FROM message_statuses \
             WHERE account_id = $1 AND device_id = $2 ORDER BY seq LIMIT $3"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(limit)
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(StoredStatus::try_from).collect()
    }
}

impl Tx {
    /// Keeps a status, if its device still exists and it says more than what is kept; how many rows changed. A new row
    /// takes room of the speaker's share.
    pub(crate) async fn put_status(
        &mut self,
        status: &NewStatus,
        quota: Option<Quota>,
        shares: &mut Shares,
    ) -> Result<WriteResult> {
        let speaker = status.sender.to_string();
        shares.hold(self, status.device.account).await?;
        if let Some(kept) = self.kept_state(status, &speaker).await? {
            return Ok(WriteResult::Done(if kept < rank(status.state) {
                self.raise(status, &speaker).await?
            } else {
                0
            }));
        }
        match shares.take(self, status.device, &speaker, 0, quota).await? {
            Room::Taken => {}
            Room::Full => return Ok(WriteResult::Full),
            Room::Gone => return Ok(WriteResult::Gone),
        }
        let inserted = run!(self, |db| sqlx::query(
            "INSERT INTO message_statuses (account_id, device_id, message_id, sender, state, code) \
             VALUES ($1, $2, $3, $4, $5, $6)"
        )
        .bind(status.device.account)
        .bind(i64::from(status.device.device.get()))
        .bind(status.message_id)
        .bind(speaker)
        .bind(rank(status.state))
        .bind(status.code.map(Code::as_str))
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(WriteResult::Done(inserted))
    }

    async fn kept_state(&mut self, status: &NewStatus, speaker: &str) -> Result<Option<i64>> {
        Ok(run!(self, |db| sqlx::query_scalar(
            "SELECT state FROM message_statuses \
             WHERE account_id = $1 AND device_id = $2 AND message_id = $3 AND sender = $4"
        )
        .bind(status.device.account)
        .bind(i64::from(status.device.device.get()))
        .bind(status.message_id)
        .bind(speaker)
        .fetch_optional(db)
        .await)?)
    }

    async fn raise(&mut self, status: &NewStatus, speaker: &str) -> Result<u64> {
        Ok(run!(self, |db| sqlx::query(
            "UPDATE message_statuses SET state = $5, code = $6 \
             WHERE account_id = $1 AND device_id = $2 AND message_id = $3 AND sender = $4"
        )
        .bind(status.device.account)
        .bind(i64::from(status.device.device.get()))
        .bind(status.message_id)
        .bind(speaker)
        .bind(rank(status.state))
        .bind(status.code.map(Code::as_str))
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?)
    }

    /// Deletes statuses that a device has stored; with a state only those that still tell that one.
    pub(crate) async fn acknowledge_statuses(
        &mut self,
        device: DeviceKey,
        ids: &[MessageId],
        state: Option<State>,
        shares: &mut Shares,
    ) -> Result<u64> {
        shares.hold(self, device.account).await?;
        let mut deleted = 0;
        for id in ids {
            let speakers: Vec<String> = run!(self, |db| sqlx::query_scalar(
                "DELETE FROM message_statuses WHERE account_id = $1 AND device_id = $2 AND message_id = $3 \
                 AND (state = $4 OR $4 = 0) RETURNING sender"
            )
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .bind(id)
            .bind(state.map_or(0, rank))
            .fetch_all(db)
            .await)?;
            for speaker in &speakers {
                shares.give(self, device.account, speaker, 0).await?;
            }
            deleted += speakers.len() as u64;
        }
        Ok(deleted)
    }
}

/// A state as the database keeps it, so that states compare.
fn rank(state: State) -> i64 {
    match state {
        State::Sent => 1,
        State::Undeliverable => 2,
        State::Received => 3,
        State::Read => 4,
    }
}

impl TryFrom<Row> for StoredStatus {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let states = [State::Sent, State::Undeliverable, State::Received, State::Read];
        Ok(Self {
            seq: row.seq,
            message_id: row.message_id,
            state: states.into_iter().find(|state| rank(*state) == row.state).ok_or_else(|| corrupt("state"))?,
            sender: row.sender.parse().map_err(|_| corrupt("address"))?,
            code: row.code.as_deref().map(Code::parse),
        })
    }
}
