//! Starting over with a new identity key: everything that belongs to the old one goes in the same commit.

use missive_wire::{Address, Code, KeyUpload, Timestamp};
use uuid::Uuid;

use super::{Outcome, gone, refusal};
use crate::{
    model::{ControlKind, DeviceKey},
    store::{Ended, Result, Shares, Store, Tx, run},
};

impl Store {
    /// Replaces the account's identity key and all that hangs on it: other devices, other sessions than `session`,
    /// every pre-key and pending message go, the messages' senders are told, and `device` has the new keys. The hash is
    /// as with [`Store::publish_keys`]. An upload with the identity key there is already is refused. Returns the sessions
    /// that ended.
    pub async fn start_over(
        &self,
        device: DeviceKey,
        session: Uuid,
        address: &Address,
        (identity, upload, hash): (&[u8], &KeyUpload, &[u8]),
        at: Timestamp,
    ) -> Outcome<Ended> {
        let mut tx = self.begin().await?;
        tx.hold_account(device.account).await?;
        let Some(published) = tx.published_keys(device).await? else { return Ok(Err(gone())) };
        if published.last_upload_hash.as_deref() == Some(hash) {
            return Ok(Ok(Ended::new()));
        }
        if published.identity_key.as_deref() == Some(identity) {
            return Ok(Err(refusal(Code::InvalidKey)));
        }
        let mut shares = Shares::new(&address.server);
        shares.hold(&mut tx, [device.account]).await?;
        for sender in tx.settle_undeliverable(device.account, address, Code::ReceiverGone, &mut shares).await? {
            tx.tell(ControlKind::Stored, sender, None, at).await?;
        }
        tx.forget_statuses(device.account, Some(device.device), &mut shares).await?;
        shares.flush(&mut tx).await?;
        let ended = tx.end_sessions(device.account, Some(session), at).await?;
        tx.forget_keys(device).await?;
        tx.set_identity_key(device.account, identity).await?;
        tx.write_keys(device, upload).await?;
        tx.set_upload_hash(device, hash).await?;
        tx.tell(ControlKind::AccountChanged, device.account, None, at).await?;
        tx.commit().await?;
        Ok(Ok(ended))
    }
}

impl Tx {
    /// Deletes the other devices with all they have, and what this one has published, its key ids included.
    async fn forget_keys(&mut self, device: DeviceKey) -> Result<()> {
        let number = i64::from(device.device.get());
        run!(self, |db| sqlx::query("DELETE FROM devices WHERE account_id = $1 AND device_id <> $2")
            .bind(device.account)
            .bind(number)
            .execute(db)
            .await
            .map(drop))?;
        run!(self, |db| sqlx::query("DELETE FROM pre_keys WHERE account_id = $1")
            .bind(device.account)
            .execute(db)
            .await
            .map(drop))?;
        self.forget_claims(device.account).await?;
        run!(self, |db| sqlx::query(
            "UPDATE devices SET highest_pre_key_id = NULL, highest_pq_pre_key_id = NULL, last_rotation_hash = NULL \
             WHERE account_id = $1 AND device_id = $2"
        )
        .bind(device.account)
        .bind(number)
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }
}
