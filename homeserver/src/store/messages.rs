//! `pending_messages`: undelivered ciphertext, until the receiving device says it has it.

use missive_wire::{Address, CipherKind, Code, Content, Delivered, DeviceId, MessageId, State, Timestamp};
use uuid::Uuid;

use super::{Quota, Result, Shares, Store, Tx, WriteResult, corrupt, read, run, shares::Room};
use crate::model::{DeviceKey, MessageSelector, NewStatus, SettledRow, StoredMessage};

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    sender: String,
    sender_id: Option<Uuid>,
    sender_device: i64,
    message_id: Uuid,
    kind: Option<String>,
    content: Vec<u8>,
    sent_at: i64,
}

#[derive(sqlx::FromRow)]
struct TakenRow {
    seq: i64,
    sender: String,
    sender_id: Option<Uuid>,
    sender_device: i64,
    message_id: Uuid,
    bytes: i64,
}

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

    /// A device's oldest pending messages, at most `limit`.
    pub async fn pending_messages(&self, device: DeviceKey, limit: i64) -> Result<Vec<StoredMessage>> {
        let rows: Vec<Row> = read!(self, |db| {
            sqlx::query_as(
            "SELECT seq, sender, sender_id, sender_device, message_id, kind, content, sent_at FROM pending_messages \
             WHERE account_id = $1 AND device_id = $2 ORDER BY seq LIMIT $3"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(limit)
        .fetch_all(db)
        .await
        })?;
        rows.into_iter().map(StoredMessage::try_from).collect()
    }
}

impl Tx {
    pub(crate) async fn store_message(
        &mut self,
        device: DeviceKey,
        message: &Delivered,
        quota: Quota,
        shares: &mut Shares,
    ) -> Result<WriteResult> {
        shares.hold(self, device.account).await?;
        if let Some(seq) = self.stored_already(device, message).await? {
            return Ok(WriteResult::Stored { seq, new: false });
        }
        let content = message.content.decode();
        let bytes = i64::try_from(content.len()).map_err(|_| corrupt("message"))?;
        let sender = message.sender.to_string();
        match shares.take(self, device, &sender, bytes, Some(quota)).await? {
            Room::Taken => {}
            Room::Full => return Ok(WriteResult::Full),
            Room::Gone => return Ok(WriteResult::Gone),
        }
        let seq = run!(self, |db| sqlx::query_scalar(
            "INSERT INTO pending_messages \
             (account_id, device_id, sender, sender_id, sender_device, message_id, kind, content, sent_at, stored_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT millis FROM retention_clock)) RETURNING seq"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(sender)
        .bind(message.sender_id)
        .bind(i64::from(message.sender_device.get()))
        .bind(message.id)
        .bind(message.kind.map(kind_text))
        .bind(content)
        .bind(message.sent_at.millis())
        .fetch_one(db)
        .await)?;
        Ok(WriteResult::Stored { seq, new: true })
    }

    async fn stored_already(&mut self, device: DeviceKey, message: &Delivered) -> Result<Option<i64>> {
        Ok(run!(self, |db| sqlx::query_scalar(
            "SELECT seq FROM pending_messages WHERE account_id = $1 AND device_id = $2 AND message_id = $3 \
             AND sender = $4 AND sender_device = $5"
        )
        .bind(device.account)
        .bind(i64::from(device.device.get()))
        .bind(message.id)
        .bind(message.sender.to_string())
        .bind(i64::from(message.sender_device.get()))
        .fetch_optional(db)
        .await)?)
    }

    /// Deletes the messages a selector means and returns what their senders must be told of.
    pub(crate) async fn take_messages(
        &mut self,
        device: DeviceKey,
        which: &MessageSelector,
        shares: &mut Shares,
    ) -> Result<Vec<SettledRow>> {
        shares.hold(self, device.account).await?;
        let rows: Vec<TakenRow> = match which {
            MessageSelector::Triple(sender, sender_device, id) => run!(self, |db| sqlx::query_as(
                "DELETE FROM pending_messages WHERE account_id = $1 AND device_id = $2 AND message_id = $3 \
                 AND sender = $4 AND sender_device = $5 \
                 RETURNING seq, sender, sender_id, sender_device, message_id, CAST(length(content) AS BIGINT) AS bytes"
            )
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .bind(id)
            .bind(sender.to_string())
            .bind(i64::from(sender_device.get()))
            .fetch_all(db)
            .await)?,
            MessageSelector::Id(id) => run!(self, |db| sqlx::query_as(
                "DELETE FROM pending_messages WHERE account_id = $1 AND device_id = $2 AND message_id = $3 \
                 RETURNING seq, sender, sender_id, sender_device, message_id, CAST(length(content) AS BIGINT) AS bytes"
            )
            .bind(device.account)
            .bind(i64::from(device.device.get()))
            .bind(id)
            .fetch_all(db)
            .await)?,
        };
        for row in &rows {
            shares.give(self, device.account, &row.sender, row.bytes).await?;
        }
        rows.into_iter().map(SettledRow::try_from).collect()
    }

    /// Settles everything that waits for an account as undeliverable: their senders are told. Returns the sending
    /// accounts, so that whoever is connected hears of it.
    pub(crate) async fn settle_undeliverable(
        &mut self,
        account: Uuid,
        address: &Address,
        code: Code,
    ) -> Result<Vec<Uuid>> {
        let rows: Vec<TakenRow> = run!(self, |db| sqlx::query_as(
            "DELETE FROM pending_messages WHERE account_id = $1 \
             RETURNING seq, sender, sender_id, sender_device, message_id, CAST(length(content) AS BIGINT) AS bytes"
        )
        .bind(account)
        .fetch_all(db)
        .await)?;
        let mut shares = Shares::default();
        for row in &rows {
            shares.give(self, account, &row.sender, row.bytes).await?;
        }
        let mut senders = Vec::new();
        for row in rows.into_iter().map(SettledRow::try_from) {
            let row = row?;
            let Some(device) = row.sender.filter(|sender| sender.account != account) else { continue };
            let (message_id, sender) = (row.message_id, address.clone());
            let status = NewStatus { device, message_id, state: State::Undeliverable, sender, code: Some(code) };
            self.put_status(&status, None, &mut shares).await?;
            senders.push(device.account);
        }
        shares.flush(self).await?;
        senders.sort_unstable();
        senders.dedup();
        Ok(senders)
    }
}

fn kind_text(kind: CipherKind) -> &'static str {
    match kind {
        CipherKind::PreKey => "preKey",
        CipherKind::Message => "message",
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

impl TryFrom<Row> for StoredMessage {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let message = Delivered {
            id: row.message_id,
            sender: row.sender.parse().map_err(|_| corrupt("address"))?,
            sender_id: row.sender_id,
            sender_device: device_of(row.sender_device)?,
            kind: row.kind.as_deref().map(kind_of).transpose()?,
            content: Content::encode(&row.content),
            sent_at: Timestamp::from_millis(row.sent_at),
        };
        Ok(Self { seq: row.seq, message })
    }
}

impl TryFrom<TakenRow> for SettledRow {
    type Error = super::StoreError;

    fn try_from(row: TakenRow) -> Result<Self> {
        let device = device_of(row.sender_device)?;
        let message_id: MessageId = row.message_id;
        Ok(Self { seq: row.seq, sender: row.sender_id.map(|account| DeviceKey { account, device }), message_id })
    }
}
