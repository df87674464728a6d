//! Writes that are committed together or not at all.

use missive_wire::{Address, Base64};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{StorageError, Table};

/// Writes for one transaction, in order.
#[derive(Default)]
pub(crate) struct Batch {
    pub(super) writes: Vec<Write>,
}

pub(super) enum Write {
    Put(Put),
    Delete { table: Table, key: Vec<u8> },
    Forget { table: Table, before_day: i64 },
    Clear { table: Table },
    Require { table: Table, key: Vec<u8> },
}

pub(super) struct Put {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) peer: Option<Address>,
    pub(super) day: Option<i64>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A row to be written later.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    table: Table,
    key: Base64,
    body: Base64,
}

impl Batch {
    /// Writes raw bytes.
    pub(crate) fn put_bytes(&mut self, table: Table, key: impl Into<Vec<u8>>, body: Vec<u8>) {
        let body = Zeroizing::new(body);
        self.writes.push(Write::Put(Put { table, key: key.into(), peer: None, day: None, body }));
    }

    /// Writes a value as JSON.
    pub(crate) fn put<T: Serialize>(
        &mut self,
        table: Table,
        key: impl Into<Vec<u8>>,
        value: &T,
    ) -> Result<(), StorageError> {
        self.put_bytes(table, key, to_json(value)?);
        Ok(())
    }

    /// Writes a value that can be listed by the account it is about.
    pub(crate) fn put_for<T: Serialize>(
        &mut self,
        table: Table,
        key: impl Into<Vec<u8>>,
        peer: &Address,
        value: &T,
    ) -> Result<(), StorageError> {
        let body = Zeroizing::new(to_json(value)?);
        self.writes.push(Write::Put(Put { table, key: key.into(), peer: Some(peer.clone()), day: None, body }));
        Ok(())
    }

    /// Writes a value that [`Batch::forget`] may take away later. The day stands in the clear.
    pub(crate) fn put_on<T: Serialize>(
        &mut self,
        table: Table,
        key: impl Into<Vec<u8>>,
        day: i64,
        value: &T,
    ) -> Result<(), StorageError> {
        let body = Zeroizing::new(to_json(value)?);
        self.writes.push(Write::Put(Put { table, key: key.into(), peer: None, day: Some(day), body }));
        Ok(())
    }

    /// Writes raw bytes that [`Batch::forget`] may take away later. The day stands in the clear.
    pub(crate) fn put_bytes_on(&mut self, table: Table, key: impl Into<Vec<u8>>, day: i64, body: Vec<u8>) {
        let body = Zeroizing::new(body);
        self.writes.push(Write::Put(Put { table, key: key.into(), peer: None, day: Some(day), body }));
    }

    /// The rows that are only put, as they can be kept in another row.
    pub(crate) fn to_rows(&self) -> Vec<Row> {
        let puts = self.writes.iter().filter_map(|write| match write {
            Write::Put(put) => Some(put),
            _ => None,
        });
        puts.map(|put| Row { table: put.table, key: Base64(put.key.clone()), body: Base64(put.body.to_vec()) })
            .collect()
    }

    /// Writes what [`Batch::to_rows`] has made.
    pub(crate) fn from_rows(rows: Vec<Row>) -> Self {
        let mut batch = Self::default();
        for Row { table, key, body } in rows {
            batch.put_bytes(table, key.0, body.0);
        }
        batch
    }

    /// Deletes a row, if it is there.
    pub(crate) fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push(Write::Delete { table, key: key.into() });
    }

    /// Commits nothing of the batch unless that row is there.
    pub(crate) fn require(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push(Write::Require { table, key: key.into() });
    }

    /// Deletes what was written with a day before that one.
    pub(crate) fn forget(&mut self, table: Table, before_day: i64) {
        self.writes.push(Write::Forget { table, before_day });
    }

    /// Adds another batch's writes behind these.
    pub(crate) fn append(&mut self, other: Self) {
        self.writes.extend(other.writes);
    }

    /// Deletes every row of a kind.
    pub(crate) fn clear(&mut self, table: Table) {
        self.writes.push(Write::Clear { table });
    }

    /// Whether there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(value).map_err(|_| StorageError::Damaged("a value cannot be written"))
}
