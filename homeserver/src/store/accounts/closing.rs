//! Revoking, restoring and deleting accounts: what waits for a closed account is settled in the same commit, and its
//! senders are told.

use missive_wire::{Address, Code, Timestamp};
use uuid::Uuid;

use crate::{
    model::ControlKind,
    store::{Result, Shares, Store, Tx, run, sessions::Ended},
};

impl Store {
    /// Revokes an account and ends its sessions; `None` if there is no such account. One that is revoked already keeps
    /// its date.
    pub async fn revoke_account(&self, account: Uuid, address: &Address, at: Timestamp) -> Result<Option<Ended>> {
        let mut tx = self.begin().await?;
        if tx.hold_account(account).await?.is_none() {
            return Ok(None);
        }
        run!(&mut tx, |db| sqlx::query("UPDATE accounts SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
            .bind(account)
            .bind(at.millis())
            .execute(db)
            .await
            .map(drop))?;
        let mut shares = Shares::new(&address.server);
        let ended = tx.close_account(account, address, at, &mut shares).await?;
        shares.flush(&mut tx).await?;
        tx.tell(ControlKind::AccountRevoked, account, None, at).await?;
        tx.commit().await?;
        Ok(Some(ended))
    }

    /// Lets a revoked account log in again; false if there is no such account.
    pub async fn restore_account(&self, account: Uuid, at: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let restored = run!(&mut tx, |db| sqlx::query("UPDATE accounts SET revoked_at = NULL WHERE id = $1")
            .bind(account)
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
        if restored == 0 {
            return Ok(false);
        }
        tx.tell(ControlKind::AccountRestored, account, None, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes an account with everything of its, and retires its name; `None` if there is no such account.
    pub async fn delete_account(
        &self,
        account: Uuid,
        address: &Address,
        retired_name: &[u8],
        at: Timestamp,
    ) -> Result<Option<Ended>> {
        let mut tx = self.begin().await?;
        if tx.hold_account(account).await?.is_none() {
            return Ok(None);
        }
        let mut shares = Shares::new(&address.server);
        let ended = tx.close_account(account, address, at, &mut shares).await?;
        tx.forget_statuses(account, None, &mut shares).await?;
        shares.flush(&mut tx).await?;
        tx.forget_claims(account).await?;
        run!(&mut tx, |db| sqlx::query(
            "INSERT INTO retired_names (name_hash) VALUES ($1) ON CONFLICT (name_hash) DO NOTHING"
        )
        .bind(retired_name)
        .execute(db)
        .await
        .map(drop))?;
        run!(&mut tx, |db| sqlx::query("DELETE FROM accounts WHERE id = $1")
            .bind(account)
            .execute(db)
            .await
            .map(drop))?;
        tx.tell(ControlKind::AccountChanged, account, None, at).await?;
        tx.commit().await?;
        Ok(Some(ended))
    }
}

impl Tx {
    /// Ends every session, and settles everything that waits for the account.
    async fn close_account(
        &mut self,
        account: Uuid,
        address: &Address,
        at: Timestamp,
        shares: &mut Shares,
    ) -> Result<Ended> {
        let ended = self.end_sessions(account, None, at).await?;
        shares.hold(self, [account]).await?;
        for sender in self.settle_undeliverable(account, address, Code::ReceiverGone, shares).await? {
            self.tell(ControlKind::Stored, sender, None, at).await?;
        }
        Ok(ended)
    }
}
