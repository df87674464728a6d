//! What claims take of `pre_keys`. Whoever takes holds the account.

use missive_wire::{Base64, ClaimedBundle, DeviceId, KeysLow, PreKey, SignedPreKey};
use serde::Deserialize;

use super::published::number_of;
use crate::{
    model::DeviceKey,
    store::{
        Result, Tx, corrupt,
        rows::{Blob, columns, rows},
        text::{Dialect, Text},
    },
};

/// How many keys that are left are told apart: as many as a device is warned below.
/// Beyond, there are enough.
pub const ENOUGH: usize = 20;

/// The ids of the oldest keys of each device and kind, so many at most, as one text: both databases can write that as one
/// value, which only an expression can be that depends on the row.
macro_rules! oldest {
    ($dialect:ident) => {
        concat!(
            columns!(
                $dialect,
                plain "wanted.column1",
                plain "(SELECT string_agg(CAST(k.id AS TEXT), ',') FROM (SELECT id FROM pre_keys \
                    WHERE account_id = wanted.column2 AND device_id = wanted.column3 AND kind = wanted.column4 \
                    ORDER BY key_id LIMIT ?) AS k)"
            ),
            " FROM (VALUES "
        )
    };
}

static OLDEST: Text = Text::of_each([(oldest!(sqlite), ") AS wanted"), (oldest!(postgres), ") AS wanted")], 4);

/// Takes keys by their ids: on SQLite it only looks which are there, and [`DELETE`] follows, since what a statement returns
/// comes row by row.
static TAKE: Text = Text::of_each(
    [
        (
            concat!(
                columns!(sqlite, plain "id", plain "key_id", bytes "public_key", bytes "signature"),
                " FROM pre_keys WHERE id IN ("
            ),
            ")",
        ),
        ("DELETE FROM pre_keys WHERE id IN (", ") RETURNING id, key_id, public_key, signature"),
    ],
    1,
);
static DELETE: Text = Text::new("DELETE FROM pre_keys WHERE id IN (", 1, ")");

/// A claimed bundle, and what it leaves behind.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The bundle.
    pub bundle: ClaimedBundle,
    /// How many one-time keys each device has left, counted up to [`ENOUGH`], and for another homeserver to as many above
    /// its reserve.
    pub left: Vec<(DeviceId, KeysLow)>,
}

/// A one-time key that was taken.
#[derive(sqlx::FromRow, Deserialize)]
pub(in crate::store) struct OneTimeKey {
    pub(in crate::store) id: i64,
    pub(in crate::store) key_id: i64,
    public_key: Blob,
    signature: Option<Blob>,
}

impl Tx {
    /// For each device and kind the ids of its oldest keys: as many as are asked for, and a few more, so that it shows how
    /// many are left.
    pub(in crate::store) async fn oldest_keys(
        &mut self,
        wanted: &[(DeviceKey, &'static str)],
        most: usize,
    ) -> Result<Vec<Vec<i64>>> {
        let most = i64::try_from(most.saturating_add(ENOUGH)).map_err(|_| corrupt("count"))?;
        let mut oldest = vec![Vec::new(); wanted.len()];
        let places = wanted.iter().zip(0_i64..).collect::<Vec<_>>();
        for (text, wanted) in OLDEST.padded(self.dialect(), &places) {
            let rows: Vec<(i64, Option<String>)> = rows!(&mut *self, text, |select| {
                wanted.iter().fold(select.bind(most), |select, ((device, kind), place)| {
                    select.bind(*place).bind(device.account).bind(i64::from(device.device.get())).bind(*kind)
                })
            })?;
            for (place, ids) in rows {
                let ids =
                    ids.iter().flat_map(|ids| ids.split(',')).map(str::parse).collect::<std::result::Result<_, _>>();
                let place = usize::try_from(place).ok().and_then(|place| oldest.get_mut(place));
                *place.ok_or_else(|| corrupt("place"))? = ids.map_err(|_| corrupt("pre-key"))?;
            }
        }
        Ok(oldest)
    }

    /// Takes keys away.
    pub(in crate::store) async fn take_keys(&mut self, ids: &[i64]) -> Result<Vec<OneTimeKey>> {
        let mut taken = Vec::new();
        for (text, ids) in TAKE.padded(self.dialect(), ids) {
            let keys: Vec<OneTimeKey> =
                rows!(&mut *self, text, |take| ids.iter().fold(take, |take, id| take.bind(**id)))?;
            taken.extend(keys);
        }
        if let Self::Sqlite(tx) = self {
            for (text, ids) in DELETE.padded(Dialect::Sqlite, ids) {
                let delete = ids.iter().fold(sqlx::query(text), |delete, id| delete.bind(**id));
                delete.execute(&mut **tx).await?;
            }
        }
        Ok(taken)
    }
}

impl OneTimeKey {
    /// As an EC key.
    pub(in crate::store) fn unsigned(self) -> Result<PreKey> {
        Ok(PreKey { key_id: number_of(self.key_id)?, public_key: Base64(self.public_key.0) })
    }

    /// As a Kyber key.
    pub(in crate::store) fn signed(self) -> Result<SignedPreKey> {
        let signature = self.signature.ok_or_else(|| corrupt("pre-key"))?;
        Ok(SignedPreKey {
            key_id: number_of(self.key_id)?,
            public_key: Base64(self.public_key.0),
            signature: Base64(signature.0),
        })
    }
}
