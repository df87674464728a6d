//! Reading what the accounts of a transaction hold, and writing it back: a few statements, however many there are.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Account, Held, Shares};
use crate::store::{
    Result, Tx,
    messages::device_of,
    rows::{columns, rows},
    run,
    text::{Text, lookup, lookup_rows},
};

/// In the order of the ids, so that two replicas that hold the same accounts never wait for each other. A SQLite
/// transaction is alone from its beginning.
static HOLD: Text = Text::of_each(
    [
        (
            concat!(
                columns!(sqlite, bytes "id", plain "revoked_at", plain "pending_entries", plain "pending_bytes"),
                " FROM accounts WHERE id IN ("
            ),
            ")",
        ),
        (
            concat!(
                columns!(postgres, bytes "id", plain "revoked_at", plain "pending_entries", plain "pending_bytes"),
                " FROM accounts WHERE id IN ("
            ),
            ") ORDER BY id FOR NO KEY UPDATE",
        ),
    ],
    1,
);
static DEVICES: Text = Text::of_each(
    [
        (concat!(columns!(sqlite, bytes "account_id", plain "device_id"), " FROM devices WHERE account_id IN ("), ")"),
        (
            concat!(columns!(postgres, bytes "account_id", plain "device_id"), " FROM devices WHERE account_id IN ("),
            ")",
        ),
    ],
    1,
);
static SHARES: Text = lookup_rows!(
    [bytes "found.account_id", plain "found.sender", plain "found.entries", plain "found.bytes"],
    2,
    "pending_shares",
    "found.account_id = wanted.column1 AND found.sender = wanted.column2"
);
static SET_TOTALS: Text = Text::new(
    "UPDATE accounts SET pending_entries = held.column2, pending_bytes = held.column3 FROM (VALUES ",
    3,
    ") AS held WHERE accounts.id = held.column1",
);
static SET_SHARES: Text = Text::new(
    "INSERT INTO pending_shares (account_id, sender, entries, bytes) VALUES ",
    4,
    " ON CONFLICT (account_id, sender) DO UPDATE SET entries = excluded.entries, bytes = excluded.bytes",
);
static FORGET_SHARES_SQLITE: Text = lookup!(
    "DELETE FROM pending_shares WHERE rowid IN (SELECT found.rowid",
    2,
    "pending_shares",
    "found.account_id = wanted.column1 AND found.sender = wanted.column2",
    ")"
);
static FORGET_SHARES_POSTGRES: Text = lookup!(
    "DELETE FROM pending_shares WHERE ctid = ANY (ARRAY(SELECT found.ctid",
    2,
    "pending_shares",
    "found.account_id = wanted.column1 AND found.sender = wanted.column2",
    "))"
);

/// A share, and what it is now.
type Changed = (Uuid, String, (i64, i64));

impl Shares {
    /// Keeps everyone else from changing what these accounts' stores hold until the commit: what is there is asked only
    /// after this, so that nobody puts the same row there, or holds a row of it that we wait for.
    pub(in crate::store) async fn hold(&mut self, tx: &mut Tx, accounts: impl IntoIterator<Item = Uuid>) -> Result<()> {
        let mut new = accounts.into_iter().filter(|id| !self.accounts.contains_key(id)).collect::<Vec<_>>();
        new.sort_unstable();
        new.dedup();
        self.accounts.extend(new.iter().map(|id| (*id, None)));
        for (text, ids) in HOLD.padded(tx.dialect(), &new) {
            let rows: Vec<(Uuid, Option<i64>, i64, i64)> =
                rows!(&mut *tx, text, |hold| ids.iter().fold(hold, |hold, id| hold.bind(**id)))?;
            for (id, revoked_at, entries, bytes) in rows {
                let revoked = revoked_at.is_some();
                let account =
                    Account { revoked, devices: Vec::new(), held: Held::of((entries, bytes)), shares: HashMap::new() };
                self.accounts.insert(id, Some(account));
            }
        }
        for (text, ids) in DEVICES.padded(tx.dialect(), &new) {
            let devices: Vec<(Uuid, i64)> =
                rows!(&mut *tx, text, |devices| ids.iter().fold(devices, |devices, id| devices.bind(**id)))?;
            for (id, device) in devices {
                if let Some(Some(account)) = self.accounts.get_mut(&id) {
                    account.devices.push(device_of(device)?);
                }
            }
        }
        Ok(())
    }

    /// Reads what senders take of the stores of accounts that are held.
    pub(in crate::store) async fn load<'a>(
        &mut self,
        tx: &mut Tx,
        senders: impl IntoIterator<Item = (Uuid, &'a str)>,
    ) -> Result<()> {
        let mut new = Vec::new();
        for (id, sender) in senders {
            let origin = self.origin(sender);
            let Some(Some(account)) = self.accounts.get_mut(&id) else { continue };
            for sender in [Some(sender), origin].into_iter().flatten() {
                if !account.shares.contains_key(sender) {
                    account.shares.insert(sender.to_owned(), Held::default());
                    new.push((id, sender));
                }
            }
        }
        for (text, wanted) in SHARES.padded(tx.dialect(), &new) {
            let shares: Vec<(Uuid, String, i64, i64)> = rows!(&mut *tx, text, |shares| {
                wanted.iter().fold(shares, |shares, (id, sender)| shares.bind(*id).bind(*sender))
            })?;
            for (id, sender, entries, bytes) in shares {
                if let Some(Some(account)) = self.accounts.get_mut(&id) {
                    account.shares.insert(sender, Held::of((entries, bytes)));
                }
            }
        }
        Ok(())
    }

    /// Writes back what changed. What was delivered leaves no row.
    pub(in crate::store) async fn flush(self, tx: &mut Tx) -> Result<()> {
        let (mut totals, mut shares) = (Vec::new(), Vec::new());
        for (id, account) in self.accounts {
            let Some(account) = account else { continue };
            totals.extend(account.held.changed().map(|now| (id, now)));
            let changed = account.shares.into_iter().filter_map(|(sender, held)| Some((id, sender, held.changed()?)));
            shares.extend(changed);
        }
        let (kept, empty): (Vec<Changed>, Vec<Changed>) =
            shares.into_iter().partition(|(.., (entries, _))| *entries > 0);
        tx.set_totals(&totals).await?;
        tx.set_shares(&kept).await?;
        tx.forget_shares(&empty).await
    }
}

impl Tx {
    async fn set_totals(&mut self, totals: &[(Uuid, (i64, i64))]) -> Result<()> {
        for (text, totals) in SET_TOTALS.padded(self.dialect(), totals) {
            run!(self, |db| {
                let set = totals.iter().fold(sqlx::query(text), |set, (id, now)| set.bind(*id).bind(now.0).bind(now.1));
                set.execute(db).await.map(drop)
            })?;
        }
        Ok(())
    }

    async fn set_shares(&mut self, shares: &[Changed]) -> Result<()> {
        for (text, shares) in SET_SHARES.exact(self.dialect(), shares) {
            run!(self, |db| {
                let set = shares.iter().fold(sqlx::query(text), |set, (id, sender, now)| {
                    set.bind(*id).bind(sender.as_str()).bind(now.0).bind(now.1)
                });
                set.execute(db).await.map(drop)
            })?;
        }
        Ok(())
    }

    async fn forget_shares(&mut self, shares: &[Changed]) -> Result<()> {
        let forget = match self {
            Self::Sqlite(_) => &FORGET_SHARES_SQLITE,
            Self::Postgres(_) => &FORGET_SHARES_POSTGRES,
        };
        for (text, shares) in forget.padded(self.dialect(), shares) {
            run!(self, |db| {
                let forget = shares
                    .iter()
                    .fold(sqlx::query(text), |forget, (id, sender, _)| forget.bind(*id).bind(sender.as_str()));
                forget.execute(db).await.map(drop)
            })?;
        }
        Ok(())
    }
}
