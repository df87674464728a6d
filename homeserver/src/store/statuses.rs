//! `message_statuses`: what became of sent messages, until the sending device says it knows.

use missive_wire::{Code, DeviceId, State};
use uuid::Uuid;

use super::{Result, Shares, Store, Tx, corrupt, read, run};
use crate::model::{DeviceKey, StoredStatus};

#[derive(sqlx::FromRow)]
struct Row {
    message_id: Uuid,
    state: i64,
    sender: String,
    code: Option<String>,
}

impl Store {
    /// A device's statuses, at most `limit`, in the order of the messages' ids, which rise with time.
    pub async fn statuses(&self, device: DeviceKey, limit: i64) -> Result<Vec<StoredStatus>> {
        let rows: Vec<Row> = read!(self, |db| sqlx::query_as(
            "SELECT message_id, state, sender, code FROM message_statuses \
             WHERE account_id = $1 AND device_id = $2 ORDER BY message_id, sender LIMIT $3"
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
    /// Forgets what an account was to be told, but for what `except` was, and gives back the room that it took.
    pub(super) async fn forget_statuses(
        &mut self,
        account: Uuid,
        except: Option<DeviceId>,
        shares: &mut Shares,
    ) -> Result<()> {
        let speakers: Vec<String> = run!(&mut *self, |db| sqlx::query_scalar(
            "DELETE FROM message_statuses WHERE account_id = $1 AND device_id <> $2 RETURNING sender"
        )
        .bind(account)
        .bind(except.map_or(0, |device| i64::from(device.get())))
        .fetch_all(db)
        .await)?;
        shares.load(self, speakers.iter().map(|speaker| (account, speaker.as_str()))).await?;
        speakers.iter().try_for_each(|speaker| shares.give(account, speaker, 0))
    }
}

/// A state as the database keeps it, so that states compare.
pub(super) fn rank(state: State) -> i64 {
    match state {
        State::Sent => 1,
        State::Undeliverable => 2,
        State::Received => 3,
        State::Read => 4,
    }
}

/// The state of that rank.
pub(super) fn state_of(number: i64) -> Result<State> {
    let states = [State::Sent, State::Undeliverable, State::Received, State::Read];
    states.into_iter().find(|state| rank(*state) == number).ok_or_else(|| corrupt("state"))
}

impl TryFrom<Row> for StoredStatus {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            message_id: row.message_id,
            state: state_of(row.state)?,
            sender: row.sender.parse().map_err(|_| corrupt("address"))?,
            code: row.code.as_deref().map(Code::parse),
        })
    }
}
