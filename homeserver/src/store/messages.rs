//! `pending_messages`: undelivered ciphertext, until the receiving device says it has it.

use std::collections::HashSet;

use missive_wire::{Address, CipherKind, Code, Content, Delivered, DeviceId, State, Timestamp};
use uuid::Uuid;

use super::{
    Result, Shares, Store, Tx,
    batch::{self, Enqueue, Put},
    corrupt, read,
    rows::{self, Blob, columns},
    run,
    text::Text,
};
use crate::model::{DeviceKey, NewStatus, PendingRow, StoredMessage};

/// Where the oldest messages of a device are, without some.
macro_rules! oldest {
    ($dialect:ident) => {
        concat!(
            columns!($dialect, plain "seq", plain "sender", bytes "sender_id", plain "sender_device", bytes "message_id",
                plain "kind", bytes "content", plain "sent_at"),
            " FROM (SELECT * FROM pending_messages WHERE account_id = ? AND device_id = ? AND seq >= ? AND seq NOT IN ("
        )
    };
}

static OLDEST: Text = Text::of_each(
    [(oldest!(sqlite), ") ORDER BY seq LIMIT ?) AS oldest"), (oldest!(postgres), ") ORDER BY seq LIMIT ?) AS oldest")],
    1,
);

/// Place, sender with id and device, message, kind, ciphertext and when it was sent.
type Row = (i64, String, Option<Uuid>, i64, Uuid, Option<String>, Blob, i64);

/// Place, sender with id and device, message, bytes.
type TakenRow = (i64, String, Option<Uuid>, i64, Uuid, i64);

/// How much waits for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Backlog {
    /// Messages.
    pub messages: i64,
    /// The place of the newest; 0 when there is none.
    pub newest: i64,
}

impl Store {
    /// How much waits for a device.
    pub async fn backlog(&self, device: DeviceKey) -> Result<Backlog> {
        Ok(read!(self, |db| sqlx::query_as(
            "SELECT count(*) AS messages, coalesce(max(seq), 0) AS newest FROM pending_messages \
             WHERE account_id = $1 AND device_id = $2"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .fetch_one(db)
        .await)?)
    }

    /// A device's oldest pending messages from the place `floor` on, at most `limit`, without those `except`, of which
    /// there are at most 64.
    ///
    /// The floor only keeps the database from looking where it has looked already. It is no cursor: it must be a place
    /// below which nothing waits, as is true of the oldest that was ever read. Nothing appears there later, since places
    /// of an account become visible in their order: each is taken while the account is held.
    pub async fn pending_messages(
        &self,
        device: DeviceKey,
        floor: i64,
        except: &[i64],
        limit: i64,
    ) -> Result<Vec<StoredMessage>> {
        let except = if except.is_empty() { &[0] } else { except };
        let Some((text, except)) = OLDEST.whole(self.dialect(), except) else { return Ok(Vec::new()) };
        let mut rows: Vec<Row> = match self {
            Self::Sqlite { read, .. } => {
                let select = sqlx::query_scalar::<_, String>(text);
                let select = select.bind(device.account).bind(i64::from(device.device.get())).bind(floor);
                let select = except.iter().fold(select, |select, seq| select.bind(**seq));
                rows::of_json(&select.bind(limit).fetch_one(read).await?)?
            }
            Self::Postgres(pool) => {
                let select = sqlx::query_as(text);
                let select = select.bind(device.account).bind(i64::from(device.device.get())).bind(floor);
                let select = except.iter().fold(select, |select, seq| select.bind(**seq));
                select.bind(limit).fetch_all(pool).await?
            }
        };
        rows.sort_unstable_by_key(|row| row.0);
        rows.into_iter().map(stored_message).collect()
    }
}

impl Tx {
    /// Settles everything that waits for an account as undeliverable: their senders are told, here and elsewhere. Returns
    /// the sending accounts, so that whoever is connected hears of it.
    pub(super) async fn settle_undeliverable(
        &mut self,
        account: Uuid,
        address: &Address,
        code: Code,
        shares: &mut Shares,
    ) -> Result<Vec<Uuid>> {
        let rows: Vec<TakenRow> = run!(&mut *self, |db| sqlx::query_as(
            "DELETE FROM pending_messages WHERE account_id = $1 \
             RETURNING seq, sender, sender_id, sender_device, message_id, CAST(length(content) AS BIGINT)"
        )
        .bind(account)
        .fetch_all(db)
        .await)?;
        shares.load(self, rows.iter().map(|(_, sender, ..)| (account, sender.as_str()))).await?;
        let (mut statuses, mut envelopes) = (Vec::new(), Vec::new());
        for (seq, sender, sender_id, sender_device, message_id, bytes) in rows {
            shares.give(account, &sender, bytes)?;
            let sender = sender.parse().map_err(|_| corrupt("address"))?;
            let row = PendingRow { seq, sender, sender_id, sender_device: device_of(sender_device)?, message_id };
            let elsewhere = row.status_elsewhere(account, address, State::Undeliverable, Some(code));
            envelopes.extend(elsewhere.map(|envelope| (seq, Enqueue::told(envelope))));
            let Some(device) = row.sending_device().filter(|device| device.account != account) else { continue };
            let (sender, code) = (address.clone(), Some(code));
            let status = NewStatus { device, message_id, state: State::Undeliverable, sender, code };
            statuses.push(Put::new(None, status, None));
        }
        // What is returned need not be in the order of the messages.
        envelopes.sort_unstable_by_key(|(seq, _)| *seq);
        let envelopes = envelopes.into_iter().map(|(_, envelope)| envelope).collect::<Vec<_>>();
        batch::enqueue(self, shares, &envelopes, &mut HashSet::new()).await?;
        batch::put(self, shares, &statuses).await?;
        let mut senders = statuses.iter().map(|put| put.status.device.account).collect::<Vec<_>>();
        senders.sort_unstable();
        senders.dedup();
        Ok(senders)
    }
}

fn kind_of(text: &str) -> Result<CipherKind> {
    match text {
        "preKey" => Ok(CipherKind::PreKey),
        "message" => Ok(CipherKind::Message),
        _ => Err(corrupt("kind")),
    }
}

/// A device id out of the database.
pub(crate) fn device_of(number: i64) -> Result<DeviceId> {
    u64::try_from(number).ok().and_then(|number| DeviceId::try_from(number).ok()).ok_or_else(|| corrupt("device id"))
}

fn stored_message(row: Row) -> Result<StoredMessage> {
    let (seq, sender, sender_id, sender_device, id, kind, Blob(content), sent_at) = row;
    let message = Delivered {
        id,
        sender: sender.parse().map_err(|_| corrupt("address"))?,
        sender_id,
        sender_device: device_of(sender_device)?,
        kind: kind.as_deref().map(kind_of).transpose()?,
        content: Content::encode(&content),
        sent_at: Timestamp::from_millis(sent_at),
    };
    Ok(StoredMessage { seq, message })
}
