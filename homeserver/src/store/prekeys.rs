//! What devices publish: their lasting keys in `devices`, one-time keys in `pre_keys`. Whoever changes an account's keys
//! holds its row until the commit, so that no bundle mixes two publications.

mod claim;
mod published;
mod start_over;
mod write;

use missive_wire::{Code, KeyUpload, ONE_TIME_KEYS_STORED, Timestamp};

use super::{Result, Store, Tx};
use crate::model::{ControlKind, DeviceKey};

pub(super) use claim::OneTimeKey;
pub use claim::{Claimed, ENOUGH};
pub(super) use published::{Published, number_of};

/// A one-time key is EC or Kyber.
pub(super) const EC: &str = "ec";
pub(super) const PQ: &str = "pq";

/// Why keys were not taken or given, as the database stood at that moment.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The protocol's code.
    pub code: Code,
    /// With `key_id_reused`: the highest id ever published of that kind.
    pub highest_key_id: Option<u32>,
}

/// What came of it, where the database answered.
pub(super) type Outcome<T> = Result<std::result::Result<T, Refusal>>;

impl Store {
    /// Takes an upload whole or not at all. `identity` is the key that its signatures were checked with; `hash` tells
    /// the upload from others, and one that is the device's last again changes nothing. Returns whether it is the
    /// device's first.
    pub async fn publish_keys(
        &self,
        device: DeviceKey,
        identity: &[u8],
        upload: &KeyUpload,
        hash: &[u8],
        at: Timestamp,
    ) -> Outcome<bool> {
        let mut tx = self.begin().await?;
        tx.hold_account(device.account).await?;
        let Some(published) = tx.published_keys(device).await? else { return Ok(Err(gone())) };
        if published.last_upload_hash.as_deref() == Some(hash) {
            return Ok(Ok(false));
        }
        if let Err(refusal) = tx.check_upload(device, &published, identity, upload).await? {
            return Ok(Err(refusal));
        }
        let first = !published.is_published();
        tx.set_identity_key(device.account, identity).await?;
        tx.write_keys(device, upload).await?;
        tx.set_upload_hash(device, hash).await?;
        if first {
            tx.tell(ControlKind::AccountChanged, device.account, None, at).await?;
        }
        tx.commit().await?;
        Ok(Ok(first))
    }

    /// Replaces lasting keys of a device that has published before; one-time keys are not looked at. `identity` and
    /// `hash` are as with [`Store::publish_keys`].
    pub async fn rotate_keys(
        &self,
        device: DeviceKey,
        identity: &[u8],
        rotation: &KeyUpload,
        hash: &[u8],
    ) -> Outcome<()> {
        let mut tx = self.begin().await?;
        tx.hold_account(device.account).await?;
        let Some(published) = tx.published_keys(device).await? else { return Ok(Err(gone())) };
        if published.last_rotation_hash.as_deref() == Some(hash) {
            return Ok(Ok(()));
        }
        if let Err(refusal) = tx.check_upload(device, &published, identity, rotation).await? {
            return Ok(Err(refusal));
        }
        tx.write_keys(device, rotation).await?;
        tx.set_rotation_hash(device, hash).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }
}

impl Tx {
    async fn check_upload(
        &mut self,
        device: DeviceKey,
        published: &Published,
        identity: &[u8],
        upload: &KeyUpload,
    ) -> Outcome<()> {
        let same_identity = published.identity_key.as_deref().is_none_or(|stored| stored == identity);
        let same_registration = match (published.registration_id, upload.registration_id) {
            (Some(stored), Some(given)) => stored == given,
            _ => true,
        };
        if !same_identity || !same_registration {
            return Ok(Err(refusal(Code::IdentityChanged)));
        }
        if let Err(refusal) = check_ids(published, upload) {
            return Ok(Err(refusal));
        }
        let (pre_keys, pq_pre_keys) = self.count_keys(device).await?;
        let over = |stored: u64, more: usize| stored + more as u64 > ONE_TIME_KEYS_STORED as u64;
        if over(pre_keys, upload.pre_keys.len()) || over(pq_pre_keys, upload.pq_pre_keys.len()) {
            return Ok(Err(refusal(Code::TooManyKeys)));
        }
        Ok(Ok(()))
    }
}

/// Key ids rise, kind by kind, so that no key comes back.
fn check_ids(published: &Published, upload: &KeyUpload) -> std::result::Result<(), Refusal> {
    let signed = upload.signed_pre_key.as_ref().map(|key| key.key_id);
    let last_resort = upload.pq_last_resort_pre_key.as_ref().map(|key| key.key_id);
    let kinds = [
        (signed, published.signed_pre_key.as_ref().map(|key| key.key_id)),
        (last_resort, published.pq_last_resort_pre_key.as_ref().map(|key| key.key_id)),
        (upload.pre_keys.iter().map(|key| key.key_id).min(), published.highest_pre_key_id),
        (upload.pq_pre_keys.iter().map(|key| key.key_id).min(), published.highest_pq_pre_key_id),
    ];
    for (given, highest) in kinds {
        if let (Some(given), Some(highest)) = (given, highest)
            && given <= highest
        {
            return Err(Refusal { code: Code::KeyIdReused, highest_key_id: Some(highest) });
        }
    }
    Ok(())
}

pub(super) fn refusal(code: Code) -> Refusal {
    Refusal { code, highest_key_id: None }
}

/// The device went while its owner was publishing: its sessions went with it.
fn gone() -> Refusal {
    refusal(Code::SessionEnded)
}
