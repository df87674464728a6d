//! `devices`: what the devices of an account are to those who write to it.

use uuid::Uuid;

use super::{Result, Store, messages::device_of, prekeys::number_of, read};
use crate::model::DeviceRow;

impl Store {
    /// The devices of an account, by their ids. One that has published no keys shows no registration id.
    pub async fn devices(&self, account: Uuid) -> Result<Vec<DeviceRow>> {
        let rows: Vec<(i64, Option<i64>)> = read!(self, |db| sqlx::query_as(
            "SELECT device_id, CASE WHEN signed_pre_key_id IS NULL THEN NULL ELSE registration_id END \
             FROM devices WHERE account_id = $1 ORDER BY device_id"
        )
        .bind(account)
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(device_row).collect()
    }
}

fn device_row((device, registration_id): (i64, Option<i64>)) -> Result<DeviceRow> {
    Ok(DeviceRow { device: device_of(device)?, registration_id: registration_id.map(number_of).transpose()? })
}
