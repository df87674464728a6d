//! `sessions`: log-ins, and the hashes of their refresh tokens. Whatever ends a session writes the event that tells
//! every server in the same commit.

mod ending;

use missive_wire::{DeviceId, Scope, Timestamp};
use uuid::Uuid;

pub use ending::Ended;

use super::{Result, Store, Tx, corrupt, messages::device_of, read, run};
use crate::model::SessionRow;

/// The columns of a session, and the rest of a query for it.
macro_rules! session {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.account_id, s.device_id, d.name AS device_name, s.scope, s.created_at, s.last_used_at, \
             s.token_hash, s.token_expires_at, s.previous_token_hash, s.rotated_at FROM sessions s \
             JOIN devices d ON d.account_id = s.account_id AND d.device_id = s.device_id ",
            $rest
        )
    };
}

/// A session to be made.
pub struct NewSession {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: Uuid,
    /// Of which device.
    pub device: DeviceId,
    /// What its tokens may do.
    pub scope: Vec<Scope>,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of its refresh token's id.
    pub token_hash: [u8; 32],
    /// When that token ends.
    pub token_expires_at: Timestamp,
}

/// What a log-in came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCreated {
    /// The session is there; these had to go for it.
    Yes(Ended),
    /// The account has no such device.
    NoDevice,
    /// The account is revoked.
    Revoked,
    /// The account's password was changed meanwhile.
    OtherPassword,
    /// The account is no more.
    Gone,
}

/// A refresh token's successor.
pub struct Rotation<'a> {
    /// The session.
    pub session: Uuid,
    /// SHA-256 of the spent token's id.
    pub spent: &'a [u8],
    /// SHA-256 of the successor's id.
    pub successor: &'a [u8],
    /// When the successor ends.
    pub expires_at: Timestamp,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    account_id: Uuid,
    device_id: i64,
    device_name: Option<String>,
    scope: String,
    created_at: i64,
    last_used_at: i64,
    token_hash: Vec<u8>,
    token_expires_at: i64,
    previous_token_hash: Option<Vec<u8>>,
    rotated_at: Option<i64>,
}

impl Store {
    /// Makes a session and names its device, if a name is given. `password_hash` is what the password was checked with:
    /// one that was changed meanwhile opens nothing. Beyond `limit` sessions of the account, those that were used least
    /// recently go.
    pub async fn create_session(
        &self,
        session: &NewSession,
        password_hash: &str,
        device_name: Option<&str>,
        limit: u32,
    ) -> Result<SessionCreated> {
        let mut tx = self.begin().await?;
        match tx.hold_account(session.account).await? {
            None => return Ok(SessionCreated::Gone),
            Some(true) => return Ok(SessionCreated::Revoked),
            Some(false) => {}
        }
        if !tx.has_password(session.account, password_hash).await? {
            return Ok(SessionCreated::OtherPassword);
        }
        if !tx.name_device(session, device_name).await? {
            return Ok(SessionCreated::NoDevice);
        }
        tx.insert_session(session).await?;
        let ended = tx.end_sessions_beyond(session, limit).await?;
        tx.commit().await?;
        Ok(SessionCreated::Yes(ended))
    }

    /// The session whose current refresh token has that hash.
    pub async fn session_by_token(&self, token_hash: &[u8]) -> Result<Option<SessionRow>> {
        let row: Option<Row> = read!(self, |db| sqlx::query_as(session!("WHERE s.token_hash = $1"))
            .bind(token_hash)
            .fetch_optional(db)
            .await)?;
        row.map(SessionRow::try_from).transpose()
    }

    /// The sessions of an account, the last used first.
    pub async fn sessions(&self, account: Uuid) -> Result<Vec<SessionRow>> {
        let rows: Vec<Row> = read!(self, |db| sqlx::query_as(session!(
            "WHERE s.account_id = $1 ORDER BY s.last_used_at DESC, s.id DESC"
        ))
        .bind(account)
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(SessionRow::try_from).collect()
    }

    /// Replaces the refresh token, unless it has been replaced already: then false.
    pub async fn rotate_session(&self, rotation: &Rotation<'_>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let rotated = run!(&mut tx, |db| {
            sqlx::query(
            "UPDATE sessions SET token_hash = $3, previous_token_hash = $2, token_expires_at = $4, rotated_at = $5, \
             last_used_at = $5 WHERE id = $1 AND token_hash = $2"
        )
        .bind(rotation.session)
        .bind(rotation.spent)
        .bind(rotation.successor)
        .bind(rotation.expires_at.millis())
        .bind(rotation.at.millis())
        .execute(db)
        .await
        .map(|done| done.rows_affected())
        })?;
        tx.commit().await?;
        Ok(rotated == 1)
    }
}

impl Tx {
    pub(super) async fn insert_session(&mut self, session: &NewSession) -> Result<()> {
        let scope = session.scope.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
        run!(self, |db| sqlx::query(
            "INSERT INTO sessions \
             (id, account_id, device_id, scope, created_at, last_used_at, token_hash, token_expires_at) \
             VALUES ($1, $2, $3, $4, $5, $5, $6, $7)"
        )
        .bind(session.id)
        .bind(session.account)
        .bind(i64::from(session.device.get()))
        .bind(scope)
        .bind(session.at.millis())
        .bind(session.token_hash.as_slice())
        .bind(session.token_expires_at.millis())
        .execute(db)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Names the session's device, if a name is given; false if there is no such device.
    async fn name_device(&mut self, session: &NewSession, name: Option<&str>) -> Result<bool> {
        Ok(run!(self, |db| sqlx::query(
            "UPDATE devices SET name = coalesce($3, name) WHERE account_id = $1 AND device_id = $2"
        )
        .bind(session.account)
        .bind(i64::from(session.device.get()))
        .bind(name)
        .execute(db)
        .await
        .map(|done| done.rows_affected() == 1))?)
    }
}

impl TryFrom<Row> for SessionRow {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let scope = row.scope.split_ascii_whitespace().map(|scope| scope.parse().map_err(|_| corrupt("scope")));
        Ok(Self {
            id: row.id,
            account: row.account_id,
            device: device_of(row.device_id)?,
            device_name: row.device_name,
            scope: scope.collect::<Result<_>>()?,
            created_at: Timestamp::from_millis(row.created_at),
            last_used_at: Timestamp::from_millis(row.last_used_at),
            token_hash: row.token_hash,
            token_expires_at: Timestamp::from_millis(row.token_expires_at),
            previous_token_hash: row.previous_token_hash,
            rotated_at: row.rotated_at.map(Timestamp::from_millis),
        })
    }
}
