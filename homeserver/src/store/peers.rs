//! `federation_peers`: what is trusted of other servers' keys, and (in `peers/standing.rs`) how things stand with them.

mod standing;

use missive_wire::{ServerName, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Result, Store, Tx, corrupt, read, run};
use crate::model::{ControlKind, PinnedKeys, Unexplained};

/// What is known of a server's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// What is trusted.
    pub pinned: PinnedKeys,
    /// What is not, and waits for an admin.
    pub unexplained: Option<Unexplained>,
}

#[derive(sqlx::FromRow)]
struct Row {
    pinned: String,
    unexplained: Option<String>,
}

impl Store {
    /// What is known of a server's keys, if it was ever met.
    pub async fn pins(&self, server: &ServerName) -> Result<Option<Pins>> {
        let row: Option<Row> =
            read!(self, |db| sqlx::query_as("SELECT pinned, unexplained FROM federation_peers WHERE server = $1")
                .bind(server.as_str())
                .fetch_optional(db)
                .await)?;
        row.map(Pins::try_from).transpose()
    }

    /// Pins the first keys of a server, unless another process was quicker; whether it did.
    pub async fn pin_first(&self, server: &ServerName, pinned: &PinnedKeys, at: Timestamp) -> Result<bool> {
        let pinned = json(pinned)?;
        let mut tx = self.begin().await?;
        let inserted = run!(&mut tx, |db| {
            sqlx::query(
            "INSERT INTO federation_peers (server, pinned, met_at) VALUES ($1, $2, $3) ON CONFLICT (server) DO NOTHING"
        )
        .bind(server.as_str())
        .bind(pinned)
        .bind(at.millis())
        .execute(db)
        .await
        .map(|done| done.rows_affected())
        })?;
        tx.commit().await?;
        Ok(inserted > 0)
    }

    /// Replaces what is known of a server's keys, unless another process has changed what is pinned since it was `seen`;
    /// whether it did.
    pub async fn replace_pins(&self, server: &ServerName, seen: &PinnedKeys, new: &Pins) -> Result<bool> {
        let mut tx = self.begin().await?;
        match tx.lock_pins(server).await? {
            Some(stored) if stored.pinned == *seen => tx.write_pins(server, new).await?,
            _ => return Ok(false),
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Pins keys that an admin accepts in place of all that was trusted, unless the server publishes something else by
    /// now than the admin has `seen`; whether it did. What was revoked stays so: whoever has stolen such a key could
    /// publish it again.
    pub async fn accept_pins(
        &self,
        server: &ServerName,
        seen: &Unexplained,
        accepted: PinnedKeys,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some(stored) = tx.lock_pins(server).await? else { return Ok(false) };
        if !stored.unexplained.is_some_and(|stored| stored.is_same(seen)) {
            return Ok(false);
        }
        let revoked = accepted.revoked.union(&stored.pinned.revoked).cloned().collect();
        let pinned = PinnedKeys { revoked, ..accepted };
        tx.write_pins(server, &Pins { pinned, unexplained: None }).await?;
        tx.tell(ControlKind::PeersChanged, Uuid::nil(), None, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets a server as if it had never been met; whether it had been.
    pub async fn forget_peer(&self, server: &ServerName, at: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted = run!(&mut tx, |db| sqlx::query("DELETE FROM federation_peers WHERE server = $1")
            .bind(server.as_str())
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
        if deleted > 0 {
            tx.tell(ControlKind::PeersChanged, Uuid::nil(), None, at).await?;
        }
        tx.commit().await?;
        Ok(deleted > 0)
    }
}

impl Tx {
    /// What is known of a server's keys; nobody else changes it before this transaction ends. The update is the one text
    /// that locks a row on both databases.
    async fn lock_pins(&mut self, server: &ServerName) -> Result<Option<Pins>> {
        let row: Option<Row> = run!(self, |db| sqlx::query_as(
            "UPDATE federation_peers SET server = server WHERE server = $1 RETURNING pinned, unexplained"
        )
        .bind(server.as_str())
        .fetch_optional(db)
        .await)?;
        row.map(Pins::try_from).transpose()
    }

    async fn write_pins(&mut self, server: &ServerName, pins: &Pins) -> Result<()> {
        let (pinned, unexplained) = (json(&pins.pinned)?, pins.unexplained.as_ref().map(json).transpose()?);
        run!(self, |db| sqlx::query("UPDATE federation_peers SET pinned = $2, unexplained = $3 WHERE server = $1")
            .bind(server.as_str())
            .bind(pinned)
            .bind(unexplained)
            .execute(db)
            .await
            .map(drop))?;
        Ok(())
    }
}

impl TryFrom<Row> for Pins {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self { pinned: parse(&row.pinned)?, unexplained: row.unexplained.as_deref().map(parse).transpose()? })
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| corrupt("peer"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| corrupt("peer"))
}
