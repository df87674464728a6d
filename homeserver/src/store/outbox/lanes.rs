//! Which lanes have something in them, and who empties them.

use missive_wire::{ServerName, Timestamp};
use uuid::Uuid;

use crate::{
    model::Lane,
    store::{Result, Store, corrupt, read, run},
};

/// What waits for another homeserver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct OutboxDepth {
    /// Messages.
    pub messages: i64,
    /// Statuses.
    pub statuses: i64,
    /// What the retention clock read when the oldest of them was stored.
    pub oldest: Option<i64>,
}

impl Store {
    /// The homeservers that something waits for. It goes from each to the next, however much waits.
    pub async fn outbox_destinations(&self) -> Result<Vec<ServerName>> {
        let names: Vec<String> = read!(self, |db| sqlx::query_scalar(
            "WITH RECURSIVE found (destination) AS (\
             SELECT * FROM (SELECT destination FROM federation_outbox ORDER BY destination LIMIT 1) AS least \
             UNION ALL SELECT (SELECT next.destination FROM federation_outbox AS next \
             WHERE next.destination > found.destination ORDER BY next.destination LIMIT 1) \
             FROM found WHERE found.destination IS NOT NULL) \
             SELECT destination FROM found WHERE destination IS NOT NULL"
        )
        .fetch_all(db)
        .await)?;
        names.iter().map(|name| name.parse().map_err(|_| corrupt("server name"))).collect()
    }

    /// Whether anything waits in a lane.
    pub async fn has_outbox(&self, lane: &Lane) -> Result<bool> {
        let oldest: Option<i64> = read!(self, |db| sqlx::query_scalar(
            "SELECT seq FROM federation_outbox WHERE destination = $1 AND lane = $2 ORDER BY seq LIMIT 1"
        )
        .bind(lane.destination.as_str())
        .bind(i64::from(lane.number))
        .fetch_optional(db)
        .await)?;
        Ok(oldest.is_some())
    }

    /// Whether messages wait in a lane, and not only statuses.
    pub async fn has_outbox_messages(&self, lane: &Lane) -> Result<bool> {
        let oldest: Option<i64> = read!(self, |db| {
            sqlx::query_scalar(
            "SELECT seq FROM federation_outbox WHERE destination = $1 AND lane = $2 AND state = 0 ORDER BY seq LIMIT 1"
        )
        .bind(lane.destination.as_str())
        .bind(i64::from(lane.number))
        .fetch_optional(db)
        .await
        })?;
        Ok(oldest.is_some())
    }

    /// How much waits for another homeserver, for an admin: it goes through all of that.
    pub async fn outbox_depth(&self, destination: &ServerName) -> Result<OutboxDepth> {
        Ok(read!(self, |db| {
            sqlx::query_as(
            "SELECT count(CASE WHEN state = 0 THEN 1 END) AS messages, count(CASE WHEN state <> 0 THEN 1 END) AS statuses, \
             min(stored_at) AS oldest FROM federation_outbox WHERE destination = $1"
        )
        .bind(destination.as_str())
        .fetch_one(db)
        .await
        })?)
    }

    /// Takes or keeps a lane for `holder` until then, if it is free, or `holder`'s, or no longer held. Whether it did.
    pub async fn hold_lane(&self, lane: &Lane, holder: Uuid, now: Timestamp, until: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let held = run!(&mut tx, |db| sqlx::query(
            "INSERT INTO federation_lanes (destination, lane, holder, held_until) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (destination, lane) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until \
             WHERE federation_lanes.holder = excluded.holder OR federation_lanes.held_until <= $5"
        )
        .bind(lane.destination.as_str())
        .bind(i64::from(lane.number))
        .bind(holder)
        .bind(until.millis())
        .bind(now.millis())
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(held > 0)
    }

    /// Leaves a lane to others, if it is `holder`'s.
    pub async fn leave_lane(&self, lane: &Lane, holder: Uuid) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query(
            "DELETE FROM federation_lanes WHERE destination = $1 AND lane = $2 AND holder = $3"
        )
        .bind(lane.destination.as_str())
        .bind(i64::from(lane.number))
        .bind(holder)
        .execute(db)
        .await
        .map(drop))?;
        tx.commit().await
    }

    /// Leaves every lane that is `holder`'s to others.
    pub async fn leave_lanes(&self, holder: Uuid) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query("DELETE FROM federation_lanes WHERE holder = $1")
            .bind(holder)
            .execute(db)
            .await
            .map(drop))?;
        tx.commit().await
    }
}
