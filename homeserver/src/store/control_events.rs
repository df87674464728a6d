//! `control_events`: what every server on the database must hear of within a second.

use missive_wire::Timestamp;
use uuid::Uuid;

use super::{Result, Store, Tx, corrupt, read, run};
use crate::model::{ControlEvent, ControlKind};

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    kind: String,
    account_id: Uuid,
    session_id: Option<Uuid>,
}

impl Store {
    /// Events with an id above `low`, oldest first, at most 1,000. One of a kind that a newer server wrote is left out.
    pub async fn control_events(&self, low: i64) -> Result<Vec<ControlEvent>> {
        let rows: Vec<Row> = read!(self, |db| {
            sqlx::query_as(
                "SELECT id, kind, account_id, session_id FROM control_events WHERE id > $1 AND kind IN \
                 ('session_ended', 'account_revoked', 'account_restored', 'account_changed', 'stored', \
                 'federation_keys_changed', 'peers_changed', 'peer_restored') ORDER BY id LIMIT 1000",
            )
            .bind(low)
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().filter_map(|row| event(&row)).collect())
    }

    /// Writes an event of its own.
    pub async fn tell(&self, kind: ControlKind, account: Uuid, at: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.tell(kind, account, None, at).await?;
        tx.commit().await
    }

    /// Deletes events older than `before`; returns how many.
    pub async fn purge_control_events(&self, before: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let purged = run!(&mut tx, |db| sqlx::query("DELETE FROM control_events WHERE created_at < $1")
            .bind(before.millis())
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(purged)
    }
}

impl Tx {
    /// Writes an event with the change it tells of.
    pub(crate) async fn tell(
        &mut self,
        kind: ControlKind,
        account: Uuid,
        session: Option<Uuid>,
        at: Timestamp,
    ) -> Result<()> {
        if session.is_none() && kind == ControlKind::SessionEnded {
            return Err(corrupt("control event"));
        }
        run!(self, |db| sqlx::query(
            "INSERT INTO control_events (kind, account_id, session_id, created_at) VALUES ($1, $2, $3, $4)"
        )
        .bind(kind.as_str())
        .bind(account)
        .bind(session)
        .bind(at.millis())
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }
}

fn event(row: &Row) -> Option<ControlEvent> {
    let kind = ControlKind::parse(&row.kind)?;
    Some(ControlEvent { id: row.id, kind, account: row.account_id, session: row.session_id })
}
