//! How things stand with other servers: whether they are reached, and which of them were restored.

use missive_wire::{PeerIncarnation, ServerName, Timestamp};
use uuid::Uuid;

use crate::{
    model::{ControlKind, PeerRow, Restored},
    store::{Result, Store, StoreError, corrupt, read, run},
};

#[derive(sqlx::FromRow)]
struct Row {
    server: String,
    met_at: i64,
    reached_at: Option<i64>,
    failing_since: Option<i64>,
    failures: i64,
    next_try: Option<i64>,
    last_error: Option<String>,
    incarnation: Option<Uuid>,
    has_unexplained: bool,
    waiting: i64,
}

impl Store {
    /// Every server that was met, by name.
    pub async fn peers(&self) -> Result<Vec<PeerRow>> {
        self.peer_rows(None).await
    }

    /// A server, if it was ever met.
    pub async fn peer(&self, server: &ServerName) -> Result<Option<PeerRow>> {
        Ok(self.peer_rows(Some(server)).await?.pop())
    }

    /// The servers that were reached, or met, since then: those that answer first, and of them the latest.
    pub async fn peers_lately(&self, since: Timestamp, limit: i64) -> Result<Vec<ServerName>> {
        let names: Vec<String> = read!(self, |db| sqlx::query_scalar(
            "SELECT server FROM federation_peers WHERE COALESCE(reached_at, met_at) >= $1 \
             ORDER BY CASE WHEN reached_at IS NULL THEN 1 ELSE 0 END, COALESCE(reached_at, met_at) DESC LIMIT $2"
        )
        .bind(since.millis())
        .bind(limit)
        .fetch_all(db)
        .await)?;
        names.iter().map(|name| name.parse().map_err(|_| corrupt("server name"))).collect()
    }

    /// Forgets the servers that were met before then, never answered, and that nothing waits for: whoever has names enough
    /// may be met under all of them. Returns how many that were.
    pub async fn purge_strangers(&self, before: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let purged = run!(&mut tx, |db| sqlx::query(
            "DELETE FROM federation_peers WHERE reached_at IS NULL AND unexplained IS NULL AND met_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM federation_outbox WHERE destination = server)"
        )
        .bind(before.millis())
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(purged)
    }

    async fn peer_rows(&self, only: Option<&ServerName>) -> Result<Vec<PeerRow>> {
        let rows: Vec<Row> = read!(self, |db| sqlx::query_as(
            "SELECT server, met_at, reached_at, failing_since, failures, next_try, last_error, incarnation, \
             unexplained IS NOT NULL AS has_unexplained, \
             (SELECT count(*) FROM federation_outbox WHERE destination = server) AS waiting \
             FROM federation_peers WHERE CAST($1 AS TEXT) IS NULL OR server = $1 ORDER BY server"
        )
        .bind(only.map(ServerName::as_str))
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(PeerRow::try_from).collect()
    }

    /// A server gave a signed answer.
    pub async fn peer_reached(&self, server: &ServerName, at: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query(
            "UPDATE federation_peers SET reached_at = $2, failing_since = NULL, failures = 0, next_try = NULL, \
             last_error = NULL WHERE server = $1"
        )
        .bind(server.as_str())
        .bind(at.millis())
        .execute(db)
        .await
        .map(drop))?;
        tx.commit().await
    }

    /// A server could not be reached, and is tried again at `next_try`.
    pub async fn peer_failing(
        &self,
        server: &ServerName,
        error: &str,
        at: Timestamp,
        next_try: Timestamp,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query(
            "UPDATE federation_peers SET failing_since = COALESCE(failing_since, $2), failures = failures + 1, \
             next_try = $3, last_error = $4 WHERE server = $1"
        )
        .bind(server.as_str())
        .bind(at.millis())
        .bind(next_try.millis())
        .bind(error)
        .execute(db)
        .await
        .map(drop))?;
        tx.commit().await
    }

    /// A server's incarnation, and when it last changed by the retention clock; `None` if the server was never met.
    pub async fn peer_incarnation(&self, server: &ServerName) -> Result<Option<(Option<Uuid>, Option<i64>)>> {
        Ok(read!(self, |db| sqlx::query_as(
            "SELECT incarnation, incarnation_at FROM federation_peers WHERE server = $1"
        )
        .bind(server.as_str())
        .fetch_optional(db)
        .await)?)
    }

    /// Stores the first incarnation that a server said, of which nobody needs to hear. Another process may be quicker.
    pub async fn first_incarnation(&self, server: &ServerName, incarnation: Uuid) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query(
            "UPDATE federation_peers SET incarnation = $2 WHERE server = $1 AND incarnation IS NULL"
        )
        .bind(server.as_str())
        .bind(incarnation)
        .execute(db)
        .await
        .map(drop))?;
        tx.commit().await
    }

    /// Replaces a server's incarnation, noticed now, and lets every process know of it. False if another was quicker.
    pub async fn change_incarnation(
        &self,
        server: &ServerName,
        (old, new): (Uuid, Uuid),
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let millis = tx.retention_millis().await?;
        let changed = run!(&mut tx, |db| {
            sqlx::query(
            "UPDATE federation_peers SET incarnation = $3, incarnation_at = $4 WHERE server = $1 AND incarnation = $2"
        )
        .bind(server.as_str())
        .bind(old)
        .bind(new)
        .bind(millis)
        .execute(db)
        .await
        .map(|done| done.rows_affected())
        })?;
        if changed > 0 {
            tx.tell(ControlKind::PeerRestored, Uuid::nil(), None, at).await?;
        }
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// The servers whose incarnation changed after the retention clock read `after`: of all, at most the `limit` newest,
    /// newest first.
    pub async fn restored_peers(&self, after: i64, limit: i64) -> Result<Vec<Restored>> {
        let rows: Vec<(String, Uuid, i64)> = read!(self, |db| sqlx::query_as(
            "SELECT server, incarnation, incarnation_at FROM federation_peers \
             WHERE incarnation_at > $1 AND incarnation IS NOT NULL ORDER BY incarnation_at DESC, server LIMIT $2"
        )
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await)?;
        let restored = |(server, incarnation, at): (String, Uuid, i64)| {
            Ok(Restored { peer: PeerIncarnation { server: name(&server)?, incarnation }, at })
        };
        rows.into_iter().map(restored).collect()
    }
}

impl TryFrom<Row> for PeerRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let count = |number: i64| u64::try_from(number).map_err(|_| corrupt("peer"));
        Ok(Self {
            server: name(&row.server)?,
            met_at: Timestamp::from_millis(row.met_at),
            reached_at: row.reached_at.map(Timestamp::from_millis),
            failing_since: row.failing_since.map(Timestamp::from_millis),
            failures: count(row.failures)?,
            next_try: row.next_try.map(Timestamp::from_millis),
            last_error: row.last_error,
            incarnation: row.incarnation,
            has_unexplained: row.has_unexplained,
            waiting: count(row.waiting)?,
        })
    }
}

fn name(text: &str) -> Result<ServerName> {
    text.parse().map_err(|_| corrupt("server name"))
}
