//! Finding accounts: by the beginning of a name for their members, page by page for an admin.

use missive_wire::Timestamp;
use uuid::Uuid;

use super::{Row, account};
use crate::{
    model::AccountRow,
    store::{Result, Store, read},
};

/// The columns of a summary, and the rest of a query for it.
macro_rules! summary {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.name, a.created_at, a.revoked_at, \
             (SELECT count(*) FROM devices d WHERE d.account_id = a.id) AS devices, \
             (SELECT count(*) FROM sessions s WHERE s.account_id = a.id) AS sessions, \
             (SELECT count(*) FROM pending_messages m WHERE m.account_id = a.id) AS pending_messages \
             FROM accounts a ",
            $rest
        )
    };
}

/// What an admin sees of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was revoked, if it is.
    pub revoked_at: Option<Timestamp>,
    /// How many devices it has.
    pub devices: i64,
    /// How many sessions.
    pub sessions: i64,
    /// How many messages wait for it.
    pub pending_messages: i64,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    id: Uuid,
    name: String,
    created_at: i64,
    revoked_at: Option<i64>,
    devices: i64,
    sessions: i64,
    pending_messages: i64,
}

impl Store {
    /// Accounts whose names begin with `prefix` and come behind `after`, in their order, without `except` and without
    /// revoked ones. The range holds because every character of a name sorts before `{`.
    pub async fn search_accounts(
        &self,
        prefix: &str,
        after: &str,
        except: Uuid,
        limit: i64,
    ) -> Result<Vec<AccountRow>> {
        let rows: Vec<Row> = read!(self, |db| {
            sqlx::query_as(account!(
            "WHERE name >= $1 AND name < $2 AND name > $3 AND id <> $4 AND revoked_at IS NULL ORDER BY name LIMIT $5"
        ))
        .bind(prefix)
        .bind(format!("{prefix}{{"))
        .bind(after)
        .bind(except)
        .bind(limit)
        .fetch_all(db)
        .await
        })?;
        Ok(rows.into_iter().map(AccountRow::from).collect())
    }

    /// Accounts whose names come behind `after`, in their order.
    pub async fn list_accounts(&self, after: &str, limit: i64) -> Result<Vec<AccountSummary>> {
        let rows: Vec<SummaryRow> =
            read!(self, |db| sqlx::query_as(summary!("WHERE a.name > $1 ORDER BY a.name LIMIT $2"))
                .bind(after)
                .bind(limit)
                .fetch_all(db)
                .await)?;
        Ok(rows.into_iter().map(AccountSummary::from).collect())
    }

    /// What an admin sees of one account.
    pub async fn account_summary(&self, name: &str) -> Result<Option<AccountSummary>> {
        let row: Option<SummaryRow> =
            read!(self, |db| sqlx::query_as(summary!("WHERE a.name = $1")).bind(name).fetch_optional(db).await)?;
        Ok(row.map(AccountSummary::from))
    }
}

impl From<SummaryRow> for AccountSummary {
    fn from(row: SummaryRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            created_at: Timestamp::from_millis(row.created_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            devices: row.devices,
            sessions: row.sessions,
            pending_messages: row.pending_messages,
        }
    }
}
