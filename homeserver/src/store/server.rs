//! What the server remembers of itself, and its sealed signing keys.

use missive_wire::Timestamp;

use super::{Result, Store, read, run};

/// A signing key as it lies in the database.
#[derive(sqlx::FromRow)]
pub struct SealedKey {
    /// Its id, public.
    pub id: String,
    /// The private key, sealed by the master key.
    pub sealed: Vec<u8>,
}

impl Store {
    /// What is remembered under `key`; the first to remember wins, and everyone gets what the first wrote.
    pub async fn remember(&self, key: &str, value: &str) -> Result<String> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query(
            "INSERT INTO server (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING"
        )
        .bind(key)
        .bind(value)
        .execute(db)
        .await
        .map(drop))?;
        let kept = run!(&mut tx, |db| sqlx::query_scalar("SELECT value FROM server WHERE key = $1")
            .bind(key)
            .fetch_one(db)
            .await)?;
        tx.commit().await?;
        Ok(kept)
    }

    /// What is remembered under `key`.
    pub async fn recall(&self, key: &str) -> Result<Option<String>> {
        Ok(read!(self, |db| sqlx::query_scalar("SELECT value FROM server WHERE key = $1")
            .bind(key)
            .fetch_optional(db)
            .await)?)
    }

    /// The signing keys of a purpose, oldest first.
    pub async fn signing_keys(&self, purpose: &str) -> Result<Vec<SealedKey>> {
        Ok(read!(self, |db| sqlx::query_as(
            "SELECT id, sealed FROM signing_keys WHERE purpose = $1 ORDER BY created_at, id"
        )
        .bind(purpose)
        .fetch_all(db)
        .await)?)
    }

    /// Stores a signing key unless the purpose has one already, as when two replicas start together.
    pub async fn add_first_signing_key(&self, purpose: &str, key: &SealedKey, at: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        if let super::Tx::Postgres(tx) = &mut tx {
            sqlx::query("LOCK TABLE signing_keys IN EXCLUSIVE MODE").execute(&mut **tx).await?;
        }
        run!(&mut tx, |db| sqlx::query(
            "INSERT INTO signing_keys (id, purpose, sealed, created_at) SELECT $1, $2, $3, $4 \
             WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE purpose = $2)"
        )
        .bind(&key.id)
        .bind(purpose)
        .bind(&key.sealed)
        .bind(at.millis())
        .execute(db)
        .await
        .map(drop))?;
        tx.commit().await
    }
}
