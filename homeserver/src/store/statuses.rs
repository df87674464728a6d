//! `message_statuses`: what became of sent messages, until the sending device says it knows.

use missive_wire::{Code, MessageId, State};
use uuid::Uuid;

use super::{Result, Store, Tx, corrupt, read, run};
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
    /// Keeps a status, if its device still exists and it says more than what is kept. Returns how many rows changed.
    pub(crate) async fn put_status(&mut self, status: &NewStatus) -> Result<u64> {
        Ok(run!(self, |db| sqlx::query(
            "INSERT INTO message_statuses (account_id, device_id, message_id, sender, state, code) \
             SELECT $1, $2, $3, $4, $5, $6 \
             WHERE EXISTS (SELECT 1 FROM devices WHERE account_id = $1 AND device_id = $2) \
             ON CONFLICT (account_id, device_id, message_id, sender) DO UPDATE \
             SET state = excluded.state, code = excluded.code WHERE excluded.state > message_statuses.state"
        )
        .bind(status.device.account)
        .bind(i64::from(status.device.device.get()))
        .bind(status.message_id)
        .bind(status.sender.to_string())
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
    ) -> Result<u64> {
        let mut deleted = 0;
        for id in ids {
            deleted += run!(self, |db| sqlx::query(
                "DELETE FROM message_statuses WHERE account_id = $1 AND device_id = $2 AND message_id = $3 \
                 AND (state = $4 OR $4 = 0)"
            )
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .bind(id)
            .bind(state.map_or(0, rank))
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
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
