//! `federation_transactions`, `federation_nonces` and `federation_claims`: what is remembered of other homeservers'
//! requests. The writer writes them, and of transactions and claims this is what is read, or forgotten in time.

use missive_wire::{ServerName, Timestamp};
use uuid::Uuid;

use super::{Result, Store, Tx, read, run};

/// How many rows are forgotten in one commit: few, because whoever writes meanwhile waits for it.
const CHUNK: u64 = 1_000;

/// What is forgotten, each with the time that it is too old at, and how many at once.
const NONCES: &str = "DELETE FROM federation_nonces WHERE (origin, nonce) IN \
     (SELECT origin, nonce FROM federation_nonces WHERE expires_at <= $1 LIMIT $2)";
const TRANSACTIONS: &str = "DELETE FROM federation_transactions WHERE (origin, id) IN \
     (SELECT origin, id FROM federation_transactions WHERE created_at < $1 LIMIT $2)";
const CLAIMS: &str = "DELETE FROM federation_claims WHERE (origin, claim_id) IN \
     (SELECT origin, claim_id FROM federation_claims WHERE created_at < $1 LIMIT $2)";
const LANES: &str = "DELETE FROM federation_lanes WHERE (destination, lane) IN \
     (SELECT destination, lane FROM federation_lanes WHERE held_until <= $1 LIMIT $2)";

impl Store {
    /// How a transaction of another homeserver was answered, if it was: the digest of its body, and the results.
    pub async fn answered(&self, origin: &ServerName, id: &str) -> Result<Option<(Vec<u8>, String)>> {
        Ok(read!(self, |db| sqlx::query_as(
            "SELECT digest, results FROM federation_transactions WHERE origin = $1 AND id = $2"
        )
        .bind(origin.as_str())
        .bind(id)
        .fetch_optional(db)
        .await)?)
    }

    /// Forgets nonces and lanes whose time is over at `now`, transactions of before `day_ago`, and claims of before
    /// `hour_ago`. Returns how many rows that were.
    pub async fn purge_federation(&self, now: Timestamp, day_ago: Timestamp, hour_ago: Timestamp) -> Result<u64> {
        let mut purged = 0;
        for (text, at) in [(NONCES, now), (LANES, now), (TRANSACTIONS, day_ago), (CLAIMS, hour_ago)] {
            loop {
                let chunk = self.purge_chunk(text, at).await?;
                purged += chunk;
                if chunk < CHUNK {
                    break;
                }
            }
        }
        Ok(purged)
    }

    async fn purge_chunk(&self, text: &'static str, at: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let purged = run!(&mut tx, |db| sqlx::query(text)
            .bind(at.millis())
            .bind(i64::try_from(CHUNK).unwrap_or(i64::MAX))
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(purged)
    }
}

impl Tx {
    /// Forgets what other homeservers claimed of an account, whose keys go.
    pub(super) async fn forget_claims(&mut self, account: Uuid) -> Result<()> {
        run!(self, |db| sqlx::query("DELETE FROM federation_claims WHERE account_id = $1")
            .bind(account)
            .execute(db)
            .await
            .map(drop))?;
        Ok(())
    }
}
