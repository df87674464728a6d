//! `federation_keys` and `federation_recovery_key`: this server's own.

use missive_wire::Timestamp;
use uuid::Uuid;

use super::{Result, Store, Tx, read, run};
use crate::model::{ControlKind, FederationKeyRow, NewRevocation, Statement};

#[derive(sqlx::FromRow)]
struct Row {
    position: i64,
    id: String,
    public_key: Vec<u8>,
    sealed: Option<Vec<u8>>,
    created_at: i64,
    valid_from: i64,
    valid_until: i64,
    signed_by: Option<String>,
    signature: Option<Vec<u8>>,
    revoked_at: Option<i64>,
    revocation_signature: Option<Vec<u8>>,
}

impl Store {
    /// Every federation key, in the order in which they were made.
    pub async fn federation_keys(&self) -> Result<Vec<FederationKeyRow>> {
        let rows: Vec<Row> = read!(self, |db| sqlx::query_as(
            "SELECT position, id, public_key, sealed, created_at, valid_from, valid_until, signed_by, signature, \
             revoked_at, revocation_signature FROM federation_keys ORDER BY position"
        )
        .fetch_all(db)
        .await)?;
        Ok(rows.into_iter().map(FederationKeyRow::from).collect())
    }

    /// The public half of the recovery key.
    pub async fn recovery_key(&self) -> Result<Option<Vec<u8>>> {
        Ok(read!(self, |db| sqlx::query_scalar("SELECT public_key FROM federation_recovery_key WHERE id = 1")
            .fetch_optional(db)
            .await)?)
    }

    /// Stores the first federation key, unless another process was quicker.
    pub async fn add_first_federation_key(&self, key: &FederationKeyRow) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.insert_federation_key(key).await?;
        tx.commit().await
    }

    /// Adds a key at its place, revokes one, or both at once. False, and nothing is changed, if another process has
    /// taken the place meanwhile.
    pub async fn change_federation_keys(
        &self,
        new: Option<&FederationKeyRow>,
        revoked: Option<&NewRevocation>,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        if let Some(key) = new
            && !tx.insert_federation_key(key).await?
        {
            return Ok(false);
        }
        if let Some(revocation) = revoked {
            tx.revoke_federation_key(revocation).await?;
        }
        tx.tell(ControlKind::FederationKeysChanged, Uuid::nil(), None, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Stores the public half of the recovery key. False if there is one already.
    pub async fn add_recovery_key(&self, public_key: &[u8], at: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let added = run!(&mut tx, |db| sqlx::query(
            "INSERT INTO federation_recovery_key (id, public_key, created_at) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO NOTHING"
        )
        .bind(public_key)
        .bind(at.millis())
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        if added == 0 {
            return Ok(false);
        }
        tx.tell(ControlKind::FederationKeysChanged, Uuid::nil(), None, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes the private half of a key that will never sign again.
    pub async fn forget_federation_secret(&self, id: &str, at: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query("UPDATE federation_keys SET sealed = NULL WHERE id = $1")
            .bind(id)
            .execute(db)
            .await
            .map(drop))?;
        tx.tell(ControlKind::FederationKeysChanged, Uuid::nil(), None, at).await?;
        tx.commit().await
    }
}

impl Tx {
    /// False if the place is taken.
    async fn insert_federation_key(&mut self, key: &FederationKeyRow) -> Result<bool> {
        let statement = key.statement.as_ref();
        let inserted = run!(self, |db| sqlx::query(
            "INSERT INTO federation_keys (position, id, public_key, sealed, created_at, valid_from, valid_until, \
             signed_by, signature) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (position) DO NOTHING"
        )
        .bind(key.position)
        .bind(&key.id)
        .bind(&key.public_key)
        .bind(&key.sealed)
        .bind(key.created_at.millis())
        .bind(key.valid_from.millis())
        .bind(key.valid_until.millis())
        .bind(statement.map(|statement| &statement.signed_by))
        .bind(statement.map(|statement| &statement.signature))
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(inserted > 0)
    }

    /// The first revocation of a key stands. Its private half is of no use any more.
    async fn revoke_federation_key(&mut self, revocation: &NewRevocation) -> Result<()> {
        run!(self, |db| sqlx::query(
            "UPDATE federation_keys SET revoked_at = $2, revocation_signature = $3, sealed = NULL \
             WHERE id = $1 AND revoked_at IS NULL"
        )
        .bind(&revocation.key_id)
        .bind(revocation.revoked_at.millis())
        .bind(&revocation.signature)
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }
}

impl From<Row> for FederationKeyRow {
    fn from(row: Row) -> Self {
        Self {
            position: row.position,
            id: row.id,
            public_key: row.public_key,
            sealed: row.sealed,
            created_at: Timestamp::from_millis(row.created_at),
            valid_from: Timestamp::from_millis(row.valid_from),
            valid_until: Timestamp::from_millis(row.valid_until),
            statement: row
                .signed_by
                .zip(row.signature)
                .map(|(signed_by, signature)| Statement { signed_by, signature }),
            revoked: row.revoked_at.map(Timestamp::from_millis).zip(row.revocation_signature),
        }
    }
}
