//! What only an admin asks: how much there is, and what each device of an account has left.

use missive_wire::{DeviceId, Timestamp};
use uuid::Uuid;

use super::{Result, Store, messages::device_of, prekeys::number_of, read};

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Counts {
    /// Accounts, revoked ones too.
    pub accounts: i64,
    /// Sessions, expired ones too.
    pub sessions: i64,
    /// Messages that wait for a device.
    pub pending_messages: i64,
    /// Statuses that wait for a device.
    pub pending_statuses: i64,
}

/// What an admin sees of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSummary {
    /// Which of the account's devices.
    pub device: DeviceId,
    /// What its holder calls it.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Set by registration or the first upload of keys.
    pub registration_id: Option<u32>,
    /// Whether it has published its lasting keys.
    pub published: bool,
    /// One-time EC keys left.
    pub pre_keys: i64,
    /// One-time Kyber keys left.
    pub pq_pre_keys: i64,
    /// Messages that wait for it.
    pub pending_messages: i64,
}

#[derive(sqlx::FromRow)]
struct DeviceRow {
    device_id: i64,
    name: Option<String>,
    created_at: i64,
    registration_id: Option<i64>,
    published: bool,
    pre_keys: i64,
    pq_pre_keys: i64,
    pending_messages: i64,
}

const COUNTS: &str = "SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM sessions) AS sessions, \
     (SELECT count(*) FROM pending_messages) AS pending_messages, \
     (SELECT count(*) FROM message_statuses) AS pending_statuses";

const DEVICES: &str = "SELECT d.device_id, d.name, d.created_at, d.registration_id, \
     d.signed_pre_key_id IS NOT NULL AS published, \
     (SELECT count(*) FROM pre_keys k \
      WHERE k.account_id = d.account_id AND k.device_id = d.device_id AND k.kind = 'ec') AS pre_keys, \
     (SELECT count(*) FROM pre_keys k \
      WHERE k.account_id = d.account_id AND k.device_id = d.device_id AND k.kind = 'pq') AS pq_pre_keys, \
     (SELECT count(*) FROM pending_messages m \
      WHERE m.account_id = d.account_id AND m.device_id = d.device_id) AS pending_messages \
     FROM devices d WHERE d.account_id = $1 ORDER BY d.device_id";

impl Store {
    /// How much there is.
    pub async fn counts(&self) -> Result<Counts> {
        Ok(read!(self, |db| sqlx::query_as(COUNTS).fetch_one(db).await)?)
    }

    /// The devices of an account, by their ids.
    pub async fn device_summaries(&self, account: Uuid) -> Result<Vec<DeviceSummary>> {
        let rows: Vec<DeviceRow> = read!(self, |db| sqlx::query_as(DEVICES).bind(account).fetch_all(db).await)?;
        rows.into_iter().map(DeviceSummary::try_from).collect()
    }
}

impl TryFrom<DeviceRow> for DeviceSummary {
    type Error = super::StoreError;

    fn try_from(row: DeviceRow) -> Result<Self> {
        Ok(Self {
            device: device_of(row.device_id)?,
            name: row.name,
            created_at: Timestamp::from_millis(row.created_at),
            registration_id: row.registration_id.map(number_of).transpose()?,
            published: row.published,
            pre_keys: row.pre_keys,
            pq_pre_keys: row.pq_pre_keys,
            pending_messages: row.pending_messages,
        })
    }
}
