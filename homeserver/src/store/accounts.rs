//! `accounts` and `retired_names`: who has an account here, and whose names are never given out again.

mod closing;
mod list;

use missive_wire::Timestamp;
use uuid::Uuid;

pub use list::AccountSummary;

use super::{NewSession, Result, Store, Tx, read, run, sessions::Ended};
use crate::model::AccountRow;

/// The columns of an account, and the rest of a query for it.
macro_rules! account {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, password_hash, identity_key, notification_id, created_at, revoked_at FROM accounts ",
            $rest
        )
    };
}

pub(super) use account;

/// An account to be registered, with its device 1.
pub struct NewAccount<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: &'a str,
    /// The keyed hash under which the name would be retired.
    pub retired_name: &'a [u8],
    /// Argon2id, in PHC form.
    pub password_hash: &'a str,
    /// 33 bytes.
    pub identity_key: Option<&'a [u8]>,
    /// Device 1's.
    pub registration_id: Option<u32>,
    /// What device 1 is called.
    pub device_name: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// What a registration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The account is there, and logged in.
    Yes,
    /// The name is taken, or was once.
    NameTaken,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    name: String,
    password_hash: String,
    identity_key: Option<Vec<u8>>,
    notification_id: Option<String>,
    created_at: i64,
    revoked_at: Option<i64>,
}

impl Store {
    /// The account of that id.
    pub async fn account(&self, id: Uuid) -> Result<Option<AccountRow>> {
        let row: Option<Row> =
            read!(self, |db| sqlx::query_as(account!("WHERE id = $1")).bind(id).fetch_optional(db).await)?;
        Ok(row.map(AccountRow::from))
    }

    /// The account of that name, in lower case.
    pub async fn account_by_name(&self, name: &str) -> Result<Option<AccountRow>> {
        let row: Option<Row> =
            read!(self, |db| sqlx::query_as(account!("WHERE name = $1")).bind(name).fetch_optional(db).await)?;
        Ok(row.map(AccountRow::from))
    }

    /// Makes an account, its device 1 and its first session.
    pub async fn register(&self, account: &NewAccount<'_>, session: &NewSession) -> Result<Registered> {
        let mut tx = self.begin().await?;
        if !tx.insert_account(account).await? {
            return Ok(Registered::NameTaken);
        }
        // Only now: a deletion that ran meanwhile has retired the name and let the insert through in one commit.
        if tx.is_retired(account.retired_name).await? {
            return Ok(Registered::NameTaken);
        }
        tx.insert_first_device(account).await?;
        tx.insert_session(session).await?;
        tx.commit().await?;
        Ok(Registered::Yes)
    }

    /// Replaces the password and ends every other session than `session`; `None` if the password was changed meanwhile,
    /// so that `old_hash` is no longer it.
    pub async fn change_password(
        &self,
        account: Uuid,
        session: Uuid,
        (old_hash, new_hash): (&str, &str),
        at: Timestamp,
    ) -> Result<Option<Ended>> {
        let mut tx = self.begin().await?;
        let changed = run!(&mut tx, |db| sqlx::query(
            "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
        )
        .bind(account)
        .bind(old_hash)
        .bind(new_hash)
        .execute(db)
        .await
        .map(|done| done.rows_affected()))?;
        if changed == 0 {
            return Ok(None);
        }
        let ended = tx.end_sessions(account, Some(session), at).await?;
        tx.commit().await?;
        Ok(Some(ended))
    }

    /// Replaces the push registration, or removes it.
    pub async fn set_notification_id(&self, account: Uuid, id: Option<&str>) -> Result<()> {
        let mut tx = self.begin().await?;
        run!(&mut tx, |db| sqlx::query("UPDATE accounts SET notification_id = $2 WHERE id = $1")
            .bind(account)
            .bind(id)
            .execute(db)
            .await
            .map(drop))?;
        tx.commit().await
    }
}

impl Tx {
    /// False if the name is taken.
    async fn insert_account(&mut self, account: &NewAccount<'_>) -> Result<bool> {
        Ok(run!(self, |db| sqlx::query(
            "INSERT INTO accounts (id, name, password_hash, identity_key, created_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (name) DO NOTHING"
        )
        .bind(account.id)
        .bind(account.name)
        .bind(account.password_hash)
        .bind(account.identity_key)
        .bind(account.at.millis())
        .execute(db)
        .await
        .map(|done| done.rows_affected() == 1))?)
    }

    async fn is_retired(&mut self, name_hash: &[u8]) -> Result<bool> {
        let retired: Option<i64> =
            run!(self, |db| sqlx::query_scalar("SELECT CAST(1 AS BIGINT) FROM retired_names WHERE name_hash = $1")
                .bind(name_hash)
                .fetch_optional(db)
                .await)?;
        Ok(retired.is_some())
    }

    /// Whether that is the hash of the account's password; it stays so while the account is held.
    pub(super) async fn has_password(&mut self, account: Uuid, hash: &str) -> Result<bool> {
        let stored: Option<String> =
            run!(self, |db| sqlx::query_scalar("SELECT password_hash FROM accounts WHERE id = $1")
                .bind(account)
                .fetch_optional(db)
                .await)?;
        Ok(stored.as_deref() == Some(hash))
    }

    async fn insert_first_device(&mut self, account: &NewAccount<'_>) -> Result<()> {
        run!(self, |db| sqlx::query(
            "INSERT INTO devices (account_id, device_id, name, registration_id, created_at) VALUES ($1, 1, $2, $3, $4)"
        )
        .bind(account.id)
        .bind(account.device_name)
        .bind(account.registration_id.map(i64::from))
        .bind(account.at.millis())
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Keeps everyone else from changing the account until the commit. `None` if there is none, else whether it is
    /// revoked. A SQLite transaction is alone from its beginning.
    pub(super) async fn hold_account(&mut self, account: Uuid) -> Result<Option<bool>> {
        const SQLITE: &str = "SELECT revoked_at IS NOT NULL FROM accounts WHERE id = $1";
        const POSTGRES: &str = "SELECT revoked_at IS NOT NULL FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
        let text = match self {
            Self::Sqlite(_) => SQLITE,
            Self::Postgres(_) => POSTGRES,
        };
        Ok(run!(self, |db| sqlx::query_scalar(text).bind(account).fetch_optional(db).await)?)
    }
}

impl From<Row> for AccountRow {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            password_hash: row.password_hash,
            identity_key: row.identity_key,
            notification_id: row.notification_id,
            created_at: Timestamp::from_millis(row.created_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        }
    }
}
