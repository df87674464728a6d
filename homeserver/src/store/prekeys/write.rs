//! The writing parts of a publication, each within its transaction.

use missive_wire::KeyUpload;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{EC, PQ};
use crate::{
    model::DeviceKey,
    store::{Result, Tx, run},
};

/// A one-time key as a row.
struct OneTime<'a> {
    kind: &'static str,
    key_id: u32,
    public_key: &'a [u8],
    signature: Option<&'a [u8]>,
}

impl Tx {
    pub(super) async fn set_identity_key(&mut self, account: Uuid, identity: &[u8]) -> Result<()> {
        run!(self, |db| sqlx::query("UPDATE accounts SET identity_key = $2 WHERE id = $1")
            .bind(account)
            .bind(identity)
            .execute(db)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Writes the members that an upload has, and leaves the others as they are.
    pub(super) async fn write_keys(&mut self, device: DeviceKey, upload: &KeyUpload) -> Result<()> {
        let signed = upload.signed_pre_key.as_ref();
        let last_resort = upload.pq_last_resort_pre_key.as_ref();
        run!(self, |db| sqlx::query(
            "UPDATE devices SET registration_id = coalesce($3, registration_id), \
             signed_pre_key_id = coalesce($4, signed_pre_key_id), \
             signed_pre_key = coalesce($5, signed_pre_key), \
             signed_pre_key_signature = coalesce($6, signed_pre_key_signature), \
             pq_last_resort_pre_key_id = coalesce($7, pq_last_resort_pre_key_id), \
             pq_last_resort_pre_key = coalesce($8, pq_last_resort_pre_key), \
             pq_last_resort_signature = coalesce($9, pq_last_resort_signature), \
             highest_pre_key_id = coalesce($10, highest_pre_key_id), \
             highest_pq_pre_key_id = coalesce($11, highest_pq_pre_key_id) \
             WHERE account_id = $1 AND device_id = $2"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(upload.registration_id.map(i64::from))
        .bind(signed.map(|key| i64::from(key.key_id)))
        .bind(signed.map(|key| key.public_key.0.as_slice()))
        .bind(signed.map(|key| key.signature.0.as_slice()))
        .bind(last_resort.map(|key| i64::from(key.key_id)))
        .bind(last_resort.map(|key| key.public_key.0.as_slice()))
        .bind(last_resort.map(|key| key.signature.0.as_slice()))
        .bind(upload.pre_keys.iter().map(|key| i64::from(key.key_id)).max())
        .bind(upload.pq_pre_keys.iter().map(|key| i64::from(key.key_id)).max())
        .execute(db)
        .await
        .map(drop))?;
        self.insert_one_time_keys(device, &one_time(upload)).await
    }

    async fn insert_one_time_keys(&mut self, device: DeviceKey, keys: &[OneTime<'_>]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        run!(self, |db| {
            let mut insert =
                QueryBuilder::new("INSERT INTO pre_keys (account_id, device_id, kind, key_id, public_key, signature) ");
            insert.push_values(keys, |mut row, key| {
                row.push_bind(device.account)
                    .push_bind(i64::from(device.device.get()))
                    .push_bind(key.kind)
                    .push_bind(i64::from(key.key_id))
                    .push_bind(key.public_key)
                    .push_bind(key.signature);
            });
            insert.build().execute(db).await.map(drop)
        })?;
        Ok(())
    }

    pub(super) async fn set_upload_hash(&mut self, device: DeviceKey, hash: &[u8]) -> Result<()> {
        run!(self, |db| sqlx::query(
            "UPDATE devices SET last_upload_hash = $3 WHERE account_id = $1 AND device_id = $2"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(hash)
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }

    pub(super) async fn set_rotation_hash(&mut self, device: DeviceKey, hash: &[u8]) -> Result<()> {
        run!(self, |db| sqlx::query(
            "UPDATE devices SET last_rotation_hash = $3 WHERE account_id = $1 AND device_id = $2"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(hash)
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }
}

fn one_time(upload: &KeyUpload) -> Vec<OneTime<'_>> {
    let ec = upload.pre_keys.iter().map(|key| OneTime {
        kind: EC,
        key_id: key.key_id,
        public_key: &key.public_key.0,
        signature: None,
    });
    let pq = upload.pq_pre_keys.iter().map(|key| OneTime {
        kind: PQ,
        key_id: key.key_id,
        public_key: &key.public_key.0,
        signature: Some(&key.signature.0),
    });
    ec.chain(pq).collect()
}
