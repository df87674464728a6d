//! Ending sessions.

use missive_wire::Timestamp;
use uuid::Uuid;

use super::NewSession;
use crate::{
    model::ControlKind,
    store::{Result, Store, Tx, read, run},
};

/// The sessions that an operation ended.
pub type Ended = Vec<Uuid>;

impl Store {
    /// Ends one session of an account; false if it has no such session.
    pub async fn end_session(&self, account: Uuid, session: Uuid, at: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended: Vec<Uuid> = run!(&mut tx, |db| sqlx::query_scalar(
            "DELETE FROM sessions WHERE account_id = $1 AND id = $2 RETURNING id"
        )
        .bind(account)
        .bind(session)
        .fetch_all(db)
        .await)?;
        tx.tell_ended(account, &ended, at).await?;
        tx.commit().await?;
        Ok(!ended.is_empty())
    }

    /// Ends every session of an account.
    pub async fn end_all_sessions(&self, account: Uuid, at: Timestamp) -> Result<Ended> {
        let mut tx = self.begin().await?;
        let ended = tx.end_sessions(account, None, at).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// How many sessions have a refresh token that ended by `at`.
    pub async fn count_expired_sessions(&self, at: Timestamp) -> Result<i64> {
        Ok(read!(self, |db| sqlx::query_scalar("SELECT count(*) FROM sessions WHERE token_expires_at <= $1")
            .bind(at.millis())
            .fetch_one(db)
            .await)?)
    }

    /// Ends every session whose refresh token ended by `at`.
    pub async fn end_expired_sessions(&self, at: Timestamp) -> Result<Ended> {
        let mut tx = self.begin().await?;
        let ended: Vec<(Uuid, Uuid)> = run!(&mut tx, |db| sqlx::query_as(
            "DELETE FROM sessions WHERE token_expires_at <= $1 RETURNING account_id, id"
        )
        .bind(at.millis())
        .fetch_all(db)
        .await)?;
        for (account, session) in &ended {
            tx.tell(ControlKind::SessionEnded, *account, Some(*session), at).await?;
        }
        tx.commit().await?;
        Ok(ended.into_iter().map(|(_, session)| session).collect())
    }
}

impl Tx {
    /// Ends every session of an account, but for `except`.
    pub(in crate::store) async fn end_sessions(
        &mut self,
        account: Uuid,
        except: Option<Uuid>,
        at: Timestamp,
    ) -> Result<Ended> {
        let ended: Vec<Uuid> = run!(self, |db| sqlx::query_scalar(
            "DELETE FROM sessions WHERE account_id = $1 AND id <> $2 RETURNING id"
        )
        .bind(account)
        .bind(except.unwrap_or_default())
        .fetch_all(db)
        .await)?;
        self.tell_ended(account, &ended, at).await?;
        Ok(ended)
    }

    /// Ends the least recently used sessions of an account beyond `limit`, never the new one.
    pub(super) async fn end_sessions_beyond(&mut self, new: &NewSession, limit: u32) -> Result<Ended> {
        let ended: Vec<Uuid> = run!(self, |db| sqlx::query_scalar(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE account_id = $1 AND id <> $2 \
             ORDER BY last_used_at DESC, id DESC LIMIT 1000000 OFFSET $3) RETURNING id"
        )
        .bind(new.account)
        .bind(new.id)
        .bind(i64::from(limit) - 1)
        .fetch_all(db)
        .await)?;
        self.tell_ended(new.account, &ended, new.at).await?;
        Ok(ended)
    }

    async fn tell_ended(&mut self, account: Uuid, ended: &[Uuid], at: Timestamp) -> Result<()> {
        for session in ended {
            self.tell(ControlKind::SessionEnded, account, Some(*session), at).await?;
        }
        Ok(())
    }
}
