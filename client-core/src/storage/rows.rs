//! Reading and writing a namespace's rows.

use missive_wire::Address;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::{
    Batch, SCHEMA_VERSION, Storage, StorageError, Table,
    batch::{Put, Write},
    seal,
};

impl Storage {
    pub(crate) async fn get_bytes(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        let hash = self.sealer.hash(table as u8, key);
        let row = sqlx::query("SELECT body FROM rows WHERE kind = $1 AND key = $2")
            .bind(table as i64)
            .bind(hash.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| self.sealer.open(&associated(table, &hash), row.get(0))).transpose()
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StorageError> {
        self.get_bytes(table, key).await?.map(|body| from_json(&body)).transpose()
    }

    /// Rows of a kind after a position, oldest first, with their positions.
    pub(crate) async fn list_after<T: DeserializeOwned>(
        &self,
        table: Table,
        position: i64,
        limit: u32,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let rows = sqlx::query(
            "SELECT position, key, body FROM rows WHERE kind = $1 AND position > $2 ORDER BY position LIMIT $3",
        )
        .bind(table as i64)
        .bind(position)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.get(0), self.open_row(table, row)?))).collect()
    }

    /// Rows of a kind about an account after a position, oldest first, with their positions.
    pub(crate) async fn list_after_for<T: DeserializeOwned>(
        &self,
        table: Table,
        peer: &Address,
        position: i64,
        limit: u32,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let rows = sqlx::query(
            "SELECT position, key, body FROM rows WHERE kind = $1 AND peer = $2 AND position > $3
             ORDER BY position LIMIT $4",
        )
        .bind(table as i64)
        .bind(self.peer_hash(table, peer).as_slice())
        .bind(position)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.get(0), self.open_row(table, row)?))).collect()
    }

    /// Every row of a kind of which there are few, oldest first.
    pub(crate) async fn list_all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<T>, StorageError> {
        let rows = self.list_after(table, 0, u32::MAX).await?;
        Ok(rows.into_iter().map(|(_, value)| value).collect())
    }

    /// Rows of a kind about an account, the newest before a position, oldest first, with their positions.
    pub(crate) async fn list_before<T: DeserializeOwned>(
        &self,
        table: Table,
        peer: &Address,
        before: i64,
        limit: u32,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let rows = sqlx::query(
            "SELECT position, key, body FROM rows WHERE kind = $1 AND peer = $2 AND position < $3
             ORDER BY position DESC LIMIT $4",
        )
        .bind(table as i64)
        .bind(self.peer_hash(table, peer).as_slice())
        .bind(before)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().rev().map(|row| Ok((row.get(0), self.open_row(table, row)?))).collect()
    }

    /// How many rows of a kind there are about an account.
    pub(crate) async fn count_for(&self, table: Table, peer: &Address) -> Result<u64, StorageError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rows WHERE kind = $1 AND peer = $2")
            .bind(table as i64)
            .bind(self.peer_hash(table, peer).as_slice())
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many rows of a kind there are.
    pub(crate) async fn count(&self, table: Table) -> Result<u64, StorageError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rows WHERE kind = $1")
            .bind(table as i64)
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Commits every write of the batch, or none.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for write in batch.writes {
            match write {
                Write::Put(put) => self.put(&mut transaction, put).await?,
                Write::Delete { table, key } => {
                    sqlx::query("DELETE FROM rows WHERE kind = $1 AND key = $2")
                        .bind(table as i64)
                        .bind(self.sealer.hash(table as u8, &key).as_slice())
                        .execute(&mut *transaction)
                        .await?;
                }
                Write::Forget { table, before_day } => {
                    sqlx::query("DELETE FROM rows WHERE kind = $1 AND day < $2")
                        .bind(table as i64)
                        .bind(before_day)
                        .execute(&mut *transaction)
                        .await?;
                }
                Write::Require { table, key } => {
                    let found = sqlx::query("SELECT 1 FROM rows WHERE kind = $1 AND key = $2")
                        .bind(table as i64)
                        .bind(self.sealer.hash(table as u8, &key).as_slice())
                        .fetch_optional(&mut *transaction)
                        .await?;
                    found.ok_or(StorageError::Gone)?;
                }
                Write::Clear { table } => {
                    sqlx::query("DELETE FROM rows WHERE kind = $1")
                        .bind(table as i64)
                        .execute(&mut *transaction)
                        .await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn put(&self, connection: &mut sqlx::SqliteConnection, put: Put) -> Result<(), StorageError> {
        let hash = self.sealer.hash(put.table as u8, &put.key);
        let body = self.sealer.seal(&associated(put.table, &hash), &put.body)?;
        let peer = put.peer.map(|peer| self.peer_hash(put.table, &peer).to_vec());
        sqlx::query(
            "INSERT INTO rows (kind, key, peer, day, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (kind, key) DO UPDATE SET peer = excluded.peer, day = excluded.day, body = excluded.body",
        )
        .bind(put.table as i64)
        .bind(hash.to_vec())
        .bind(peer)
        .bind(put.day)
        .bind(body)
        .execute(connection)
        .await?;
        Ok(())
    }

    fn open_row<T: DeserializeOwned>(&self, table: Table, row: &sqlx::sqlite::SqliteRow) -> Result<T, StorageError> {
        from_json(&self.sealer.open(&associated(table, row.get(1)), row.get(2))?)
    }

    /// Apart from the hash of any key, so that the two cannot be matched.
    fn peer_hash(&self, table: Table, peer: &Address) -> seal::Hash {
        self.sealer.hash(table as u8, format!("peer {peer}").as_bytes())
    }
}

/// What a row's body is bound to: moved to another row, it does not open.
fn associated(table: Table, hash: &[u8]) -> Vec<u8> {
    [&[SCHEMA_VERSION, table as u8], hash].concat()
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(body).map_err(|_| StorageError::Damaged("a row cannot be read"))
}
