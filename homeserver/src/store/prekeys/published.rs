//! What a device has published, and how many one-time keys it has left.

use std::collections::HashMap;

use missive_wire::{Base64, DeviceId, SignedPreKey};
use uuid::Uuid;

use super::{EC, PQ};
use crate::{
    model::DeviceKey,
    store::{Result, Store, StoreError, Tx, corrupt, messages::device_of, read, run, text::Text},
};

/// A device's lasting keys, and what bounds the next upload.
#[derive(Debug)]
pub struct Published {
    /// Which device.
    pub device: DeviceId,
    /// The account's identity key.
    pub identity_key: Option<Vec<u8>>,
    /// Set by registration or the first upload.
    pub registration_id: Option<u32>,
    /// Its id is the highest of its kind.
    pub signed_pre_key: Option<SignedPreKey>,
    /// Its id is the highest of its kind.
    pub pq_last_resort_pre_key: Option<SignedPreKey>,
    /// The highest id of a one-time EC key, ever.
    pub highest_pre_key_id: Option<u32>,
    /// The highest id of a one-time Kyber key, ever.
    pub highest_pq_pre_key_id: Option<u32>,
    /// Tells the last upload from others.
    pub last_upload_hash: Option<Vec<u8>>,
    /// Tells the last rotation from others.
    pub last_rotation_hash: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    account_id: Uuid,
    device_id: i64,
    identity_key: Option<Vec<u8>>,
    registration_id: Option<i64>,
    signed_pre_key_id: Option<i64>,
    signed_pre_key: Option<Vec<u8>>,
    signed_pre_key_signature: Option<Vec<u8>>,
    pq_last_resort_pre_key_id: Option<i64>,
    pq_last_resort_pre_key: Option<Vec<u8>>,
    pq_last_resort_signature: Option<Vec<u8>>,
    highest_pre_key_id: Option<i64>,
    highest_pq_pre_key_id: Option<i64>,
    last_upload_hash: Option<Vec<u8>>,
    last_rotation_hash: Option<Vec<u8>>,
}

/// What devices have published, and the rest of a query for it.
macro_rules! published {
    ($rest:literal) => {
        concat!(
            "SELECT d.account_id, d.device_id, a.identity_key, d.registration_id, d.signed_pre_key_id, \
             d.signed_pre_key, d.signed_pre_key_signature, d.pq_last_resort_pre_key_id, d.pq_last_resort_pre_key, \
             d.pq_last_resort_signature, d.highest_pre_key_id, d.highest_pq_pre_key_id, d.last_upload_hash, \
             d.last_rotation_hash FROM devices d JOIN accounts a ON a.id = d.account_id ",
            $rest
        )
    };
}

const OF_DEVICE: &str = published!("WHERE d.account_id = $1 AND d.device_id = $2");

static OF_ACCOUNTS: Text = Text::new(published!("WHERE d.account_id IN ("), 1, ") ORDER BY d.device_id");

const COUNT: &str = "SELECT count(CASE WHEN kind = $3 THEN 1 END), count(CASE WHEN kind = $4 THEN 1 END) \
     FROM pre_keys WHERE account_id = $1 AND device_id = $2";

impl Store {
    /// What a device has published; `None` if there is no such device.
    pub async fn published_keys(&self, device: DeviceKey) -> Result<Option<Published>> {
        let row: Option<Row> = read!(self, |db| sqlx::query_as(OF_DEVICE)
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .fetch_optional(db)
            .await)?;
        row.map(Published::try_from).transpose()
    }

    /// How many one-time keys a device has left, EC and Kyber.
    pub async fn count_keys(&self, device: DeviceKey) -> Result<(u64, u64)> {
        let counts: (i64, i64) = read!(self, |db| sqlx::query_as(COUNT)
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .bind(EC)
            .bind(PQ)
            .fetch_one(db)
            .await)?;
        unsigned(counts)
    }
}

impl Tx {
    pub(super) async fn published_keys(&mut self, device: DeviceKey) -> Result<Option<Published>> {
        let row: Option<Row> = run!(self, |db| sqlx::query_as(OF_DEVICE)
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .fetch_optional(db)
            .await)?;
        row.map(Published::try_from).transpose()
    }

    /// What every device of some accounts has published, in the order of the devices.
    pub(in crate::store) async fn published_keys_of(
        &mut self,
        accounts: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Published>>> {
        let mut published = HashMap::<_, Vec<_>>::new();
        for (text, accounts) in OF_ACCOUNTS.padded(self.dialect(), accounts) {
            let rows: Vec<Row> = run!(&mut *self, |db| {
                let select = accounts.iter().fold(sqlx::query_as(text), |select, account| select.bind(**account));
                select.fetch_all(db).await
            })?;
            for row in rows {
                published.entry(row.account_id).or_default().push(row.try_into()?);
            }
        }
        Ok(published)
    }

    pub(super) async fn count_keys(&mut self, device: DeviceKey) -> Result<(u64, u64)> {
        let counts: (i64, i64) = run!(self, |db| sqlx::query_as(COUNT)
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .bind(EC)
            .bind(PQ)
            .fetch_one(db)
            .await)?;
        unsigned(counts)
    }
}

impl Published {
    /// Whether the device has published keys: the first upload owes both lasting ones.
    pub fn is_published(&self) -> bool {
        self.signed_pre_key.is_some() && self.pq_last_resort_pre_key.is_some()
    }
}

impl TryFrom<Row> for Published {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            device: device_of(row.device_id)?,
            identity_key: row.identity_key,
            registration_id: row.registration_id.map(number_of).transpose()?,
            signed_pre_key: signed(row.signed_pre_key_id, row.signed_pre_key, row.signed_pre_key_signature)?,
            pq_last_resort_pre_key: signed(
                row.pq_last_resort_pre_key_id,
                row.pq_last_resort_pre_key,
                row.pq_last_resort_signature,
            )?,
            highest_pre_key_id: row.highest_pre_key_id.map(number_of).transpose()?,
            highest_pq_pre_key_id: row.highest_pq_pre_key_id.map(number_of).transpose()?,
            last_upload_hash: row.last_upload_hash,
            last_rotation_hash: row.last_rotation_hash,
        })
    }
}

fn signed(id: Option<i64>, key: Option<Vec<u8>>, signature: Option<Vec<u8>>) -> Result<Option<SignedPreKey>> {
    match (id, key, signature) {
        (Some(id), Some(key), Some(signature)) => {
            Ok(Some(SignedPreKey { key_id: number_of(id)?, public_key: Base64(key), signature: Base64(signature) }))
        }
        (None, None, None) => Ok(None),
        _ => Err(corrupt("signed pre-key")),
    }
}

fn unsigned((pre_keys, pq_pre_keys): (i64, i64)) -> Result<(u64, u64)> {
    let count = |number: i64| u64::try_from(number).map_err(|_| corrupt("count"));
    Ok((count(pre_keys)?, count(pq_pre_keys)?))
}

/// A key id or registration id out of the database.
pub(in crate::store) fn number_of(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| corrupt("key id"))
}
