//! `federation_outbox`: envelopes for other homeservers, until those have said that they have them.

mod lanes;

use missive_wire::{DeviceId, State};
use uuid::Uuid;

use super::{
    Result, Store, corrupt,
    messages::device_of,
    rows::{self, columns},
    statuses::{rank, state_of},
    text::Text,
};
use crate::model::{EnvelopeKey, Lane, OutboxRow};

pub use lanes::OutboxDepth;

/// Rows of the outbox without their envelopes, from the rest of a query for them.
macro_rules! rows_of {
    ($dialect:ident, $rest:literal) => {
        concat!(
            columns!($dialect, plain "seq", bytes "account_id", plain "device_id", plain "receiver",
                plain "receiver_device", bytes "message_id", plain "state",
                plain "CAST(octet_length(envelope) AS BIGINT)"),
            " FROM (SELECT * FROM federation_outbox ",
            $rest,
            ") AS oldest"
        )
    };
}

/// The oldest rows that a rest names, with so many parameters bound.
macro_rules! oldest {
    ($store:expr, $rest:literal, $bind:ident => $bound:expr) => {
        match $store {
            Store::Sqlite { read, .. } => {
                let $bind = sqlx::query_scalar::<_, String>(rows_of!(sqlite, $rest));
                rows::of_json::<Row>(&$bound.fetch_one(read).await?)?
            }
            Store::Postgres(pool) => {
                let $bind = sqlx::query_as::<_, Row>(rows_of!(postgres, $rest));
                $bound.fetch_all(pool).await?
            }
        }
    };
}

/// The oldest of a lane, without those of some pairs.
macro_rules! oldest_but {
    ($dialect:ident) => {
        concat!(
            columns!($dialect, plain "seq", bytes "account_id", plain "device_id", plain "receiver",
                plain "receiver_device", bytes "message_id", plain "state",
                plain "CAST(octet_length(envelope) AS BIGINT)"),
            " FROM (SELECT * FROM federation_outbox WHERE destination = ? AND lane = ? AND NOT EXISTS \
             (SELECT 1 FROM (VALUES "
        )
    };
}

/// The rest of that.
const NOT_WAITING: &str = ") AS waiting WHERE waiting.column1 = account_id AND waiting.column2 = device_id \
                           AND waiting.column3 = receiver AND waiting.column4 = receiver_device) \
                           ORDER BY seq LIMIT ?) AS oldest";

static OLDEST: Text = Text::of_each([(oldest_but!(sqlite), NOT_WAITING), (oldest_but!(postgres), NOT_WAITING)], 4);

/// A pair as the outbox keeps it.
#[derive(Default)]
struct Pair {
    account: Uuid,
    device: i64,
    receiver: String,
    receiver_device: i64,
}

/// A statement with a pair bound to it.
macro_rules! bound {
    ($select:ident, $pair:ident) => {
        $select.bind($pair.account).bind($pair.device).bind($pair.receiver.as_str()).bind($pair.receiver_device)
    };
}

static ENVELOPES: Text = Text::of_each(
    [
        (concat!(columns!(sqlite, plain "seq", plain "envelope"), " FROM federation_outbox WHERE seq IN ("), ")"),
        (concat!(columns!(postgres, plain "seq", plain "envelope"), " FROM federation_outbox WHERE seq IN ("), ")"),
    ],
    1,
);

/// Place, account and device, receiver and its device, message, state, bytes.
type Row = (i64, Uuid, i64, String, i64, Uuid, i64, i64);

/// What tells an envelope apart, as it is stored.
pub(super) struct KeyRow {
    pub(super) account: Uuid,
    pub(super) device: i64,
    pub(super) receiver: String,
    pub(super) receiver_device: i64,
    pub(super) message_id: Uuid,
    pub(super) state: i64,
}

impl Pair {
    fn of(key: &EnvelopeKey) -> Self {
        Self {
            account: key.account,
            device: device_number(key.device),
            receiver: key.receiver.to_string(),
            receiver_device: device_number(key.receiver_device),
        }
    }
}

impl Store {
    /// A lane's oldest envelopes, at most `limit`, without those of the pairs `waiting`, of which there are at most 128, and
    /// without what is in them.
    pub async fn outbox_rows(&self, lane: &Lane, waiting: &[EnvelopeKey], limit: i64) -> Result<Vec<OutboxRow>> {
        let waiting = waiting.iter().map(Pair::of).collect::<Vec<_>>();
        let waiting = if waiting.is_empty() { vec![Pair::default()] } else { waiting };
        let Some((text, waiting)) = OLDEST.whole(self.dialect(), &waiting) else { return Ok(Vec::new()) };
        let (destination, number) = (lane.destination.as_str(), i64::from(lane.number));
        let rows = match self {
            Self::Sqlite { read, .. } => {
                let select = sqlx::query_scalar::<_, String>(text).bind(destination).bind(number);
                let select = waiting.iter().fold(select, |select, pair| bound!(select, pair));
                rows::of_json::<Row>(&select.bind(limit).fetch_one(read).await?)?
            }
            Self::Postgres(pool) => {
                let select = sqlx::query_as::<_, Row>(text).bind(destination).bind(number);
                let select = waiting.iter().fold(select, |select, pair| bound!(select, pair));
                select.bind(limit).fetch_all(pool).await?
            }
        };
        in_order(rows)
    }

    /// Envelopes as they go into a transaction, by their places: those that are still there.
    pub async fn outbox_envelopes(&self, seqs: &[i64]) -> Result<Vec<(i64, String)>> {
        let mut envelopes = Vec::<(i64, String)>::with_capacity(seqs.len());
        for (text, seqs) in ENVELOPES.padded(self.dialect(), seqs) {
            envelopes.extend(match self {
                Self::Sqlite { read, .. } => {
                    let select = seqs.iter().fold(sqlx::query_scalar(text), |select, seq| select.bind(**seq));
                    let json: String = select.fetch_one(read).await?;
                    rows::of_json(&json)?
                }
                Self::Postgres(pool) => {
                    let select = seqs.iter().fold(sqlx::query_as(text), |select, seq| select.bind(**seq));
                    select.fetch_all(pool).await?
                }
            });
        }
        envelopes.sort_unstable_by_key(|(seq, _)| *seq);
        Ok(envelopes)
    }

    /// Of the `limit` oldest envelopes of all, those that were stored when the retention clock read at most `before`.
    /// Their places rise with the time of storing, as those of messages do.
    pub async fn expired_outbox(&self, before: i64, limit: i64) -> Result<Vec<OutboxRow>> {
        let rows = oldest!(
            self,
            "WHERE seq IN (SELECT seq FROM federation_outbox ORDER BY seq LIMIT $2) AND stored_at <= $1",
            query => query.bind(before).bind(limit)
        );
        in_order(rows)
    }
}

fn in_order(mut rows: Vec<Row>) -> Result<Vec<OutboxRow>> {
    rows.sort_unstable_by_key(|row| row.0);
    rows.into_iter().map(outbox_row).collect()
}

fn outbox_row(row: Row) -> Result<OutboxRow> {
    let (seq, account, device, receiver, receiver_device, message_id, state, bytes) = row;
    let key = key_of(&KeyRow { account, device, receiver, receiver_device, message_id, state })?;
    Ok(OutboxRow { seq, key, bytes })
}

/// What tells an envelope apart, out of the database.
pub(super) fn key_of(row: &KeyRow) -> Result<EnvelopeKey> {
    let device = |number| if number == 0 { Ok(None) } else { device_of(number).map(Some) };
    Ok(EnvelopeKey {
        account: row.account,
        device: device(row.device)?,
        receiver: row.receiver.parse().map_err(|_| corrupt("address"))?,
        receiver_device: device(row.receiver_device)?,
        message_id: row.message_id,
        state: if row.state == 0 { None } else { Some(state_of(row.state)?) },
    })
}

/// A device as the outbox keeps it.
pub(super) fn device_number(device: Option<DeviceId>) -> i64 {
    device.map_or(0, |device| device.get().into())
}

/// What a status says, as the outbox keeps it.
pub(super) fn state_number(state: Option<State>) -> i64 {
    state.map_or(0, rank)
}
