//! Claiming: each one-time key leaves the database for exactly one claimer, however many ask at once.

use missive_wire::{Base64, ClaimedBundle, ClaimedDevice, Code, DeviceId, KeysLow, PreKey, SignedPreKey};
use uuid::Uuid;

use super::{EC, Outcome, PQ, published::Published, published::number_of, refusal};
use crate::{
    model::DeviceKey,
    store::{Result, Store, Tx, corrupt},
};

/// A claimed bundle, and what it leaves behind.
#[derive(Debug)]
pub struct Claimed {
    /// The bundle.
    pub bundle: ClaimedBundle,
    /// How many one-time keys each device has left.
    pub left: Vec<(DeviceId, KeysLow)>,
}

#[derive(sqlx::FromRow)]
struct TakenRow {
    key_id: i64,
    public_key: Vec<u8>,
    signature: Option<Vec<u8>>,
}

impl Store {
    /// Claims a bundle of every device of an account that has published keys, taking their oldest one-time keys.
    pub async fn claim_keys(&self, account: Uuid) -> Outcome<Claimed> {
        let mut tx = self.begin().await?;
        let Some(revoked) = tx.share_account(account).await? else {
            return Ok(Err(refusal(Code::NotFound)));
        };
        if revoked {
            return Ok(Err(refusal(Code::ReceiverGone)));
        }
        let (mut identity_key, mut devices, mut left) = (None, Vec::new(), Vec::new());
        for published in tx.published_keys_of_all(account).await? {
            let device = DeviceKey { account, device: published.device };
            identity_key.clone_from(&published.identity_key);
            let Some(claimed) = tx.claim_from(device, published).await? else { continue };
            devices.push(claimed);
            let (pre_keys, pq_pre_keys) = tx.count_keys(device).await?;
            left.push((device.device, KeysLow { pre_keys, pq_pre_keys }));
        }
        tx.commit().await?;
        Ok(match identity_key {
            Some(identity_key) if !devices.is_empty() => {
                Ok(Claimed { bundle: ClaimedBundle { identity_key: Base64(identity_key), devices }, left })
            }
            _ => Err(refusal(Code::NoKeys)),
        })
    }
}

impl Tx {
    async fn claim_from(&mut self, device: DeviceKey, published: Published) -> Result<Option<ClaimedDevice>> {
        let (Some(registration_id), Some(signed_pre_key), Some(last_resort)) =
            (published.registration_id, published.signed_pre_key, published.pq_last_resort_pre_key)
        else {
            return Ok(None);
        };
        let pre_key = self.take_key(device, EC).await?.map(pre_key).transpose()?;
        let pq_pre_key = self.take_key(device, PQ).await?.map(pq_pre_key).transpose()?;
        Ok(Some(ClaimedDevice {
            device_id: device.device,
            registration_id,
            signed_pre_key,
            pre_key,
            pq_pre_key: pq_pre_key.unwrap_or(last_resort),
        }))
    }

    /// Takes a device's oldest one-time key of a kind. PostgreSQL needs SKIP LOCKED: a claimer that waited for another's
    /// key would find it gone and report none left.
    async fn take_key(&mut self, device: DeviceKey, kind: &str) -> Result<Option<TakenRow>> {
        const SQLITE: &str = "DELETE FROM pre_keys WHERE id = (SELECT id FROM pre_keys \
             WHERE account_id = $1 AND device_id = $2 AND kind = $3 ORDER BY key_id LIMIT 1) \
             RETURNING key_id, public_key, signature";
        const POSTGRES: &str = "DELETE FROM pre_keys WHERE id = (SELECT id FROM pre_keys \
             WHERE account_id = $1 AND device_id = $2 AND kind = $3 ORDER BY key_id LIMIT 1 \
             FOR UPDATE SKIP LOCKED) RETURNING key_id, public_key, signature";
        let number = i64::from(device.device.get());
        Ok(match self {
            Self::Sqlite(tx) => {
                let take = sqlx::query_as(SQLITE).bind(device.account).bind(number).bind(kind);
                take.fetch_optional(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                let take = sqlx::query_as(POSTGRES).bind(device.account).bind(number).bind(kind);
                take.fetch_optional(&mut **tx).await?
            }
        })
    }
}

fn pre_key(row: TakenRow) -> Result<PreKey> {
    Ok(PreKey { key_id: number_of(row.key_id)?, public_key: Base64(row.public_key) })
}

fn pq_pre_key(row: TakenRow) -> Result<SignedPreKey> {
    let signature = row.signature.ok_or_else(|| corrupt("pre-key"))?;
    Ok(SignedPreKey {
        key_id: number_of(row.key_id)?,
        public_key: Base64(row.public_key),
        signature: Base64(signature),
    })
}
