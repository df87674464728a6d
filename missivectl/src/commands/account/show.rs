//! One account with its devices and sessions; nothing secret.

use homeserver::{app::App, model::SessionRow, service::admin, store::DeviceSummary};
use missive_wire::{DeviceId, Scope, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::{Account, find};
use crate::{
    failure::Failure,
    output::{Output, minute, table},
};

#[derive(Debug, Serialize)]
struct Shown {
    account: Account,
    devices: Vec<Device>,
    sessions: Vec<Session>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    #[serde(rename = "deviceId")]
    id: DeviceId,
    name: Option<String>,
    created_at: Timestamp,
    registration_id: Option<u32>,
    published: bool,
    pre_keys: i64,
    pq_pre_keys: i64,
    pending_messages: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: Uuid,
    device_id: DeviceId,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    scope: Vec<Scope>,
}

/// Shows one account.
pub(in crate::commands) async fn show(app: &App, name: &str, output: Output) -> Result<(), Failure> {
    let account = find(app, name).await?;
    let devices = admin::devices(app, account.id).await?.into_iter().map(Device::from).collect();
    let sessions = admin::sessions(app, account.id).await?.into_iter().map(Session::from).collect();
    output.print(&Shown { account, devices, sessions }, describe)
}

fn describe(shown: &Shown) -> String {
    let account = &shown.account;
    let state = match account.revoked_at {
        Some(at) => format!("revoked {} UTC", minute(at)),
        None => "not revoked".to_owned(),
    };
    let mut text = format!(
        "{}  created {} UTC, {state}\nid {}\npending messages: {}\n",
        account.address,
        minute(account.created_at),
        account.id,
        account.pending_messages
    );
    text += "\nDevices\n";
    text += &table(
        ["DEVICE", "NAME", "CREATED (UTC)", "KEYS", "PRE-KEYS", "PQ PRE-KEYS", "PENDING"],
        shown.devices.iter().map(Device::row),
    );
    if shown.sessions.is_empty() {
        return text + "\n\nNo sessions\n";
    }
    text += "\n\nSessions\n";
    text += &table(
        ["SESSION", "DEVICE", "CREATED (UTC)", "LAST USED (UTC)", "EXPIRES (UTC)"],
        shown.sessions.iter().map(Session::row),
    );
    text
}

impl Device {
    fn row(&self) -> [String; 7] {
        [
            self.id.to_string(),
            self.name.clone().unwrap_or_else(|| "-".to_owned()),
            minute(self.created_at),
            if self.published { "published" } else { "none" }.to_owned(),
            self.pre_keys.to_string(),
            self.pq_pre_keys.to_string(),
            self.pending_messages.to_string(),
        ]
    }
}

impl Session {
    fn row(&self) -> [String; 5] {
        [
            self.id.to_string(),
            self.device_id.to_string(),
            minute(self.created_at),
            minute(self.last_used_at),
            minute(self.expires_at),
        ]
    }
}

impl From<DeviceSummary> for Device {
    fn from(summary: DeviceSummary) -> Self {
        Self {
            id: summary.device,
            name: summary.name,
            created_at: summary.created_at,
            registration_id: summary.registration_id,
            published: summary.published,
            pre_keys: summary.pre_keys,
            pq_pre_keys: summary.pq_pre_keys,
            pending_messages: summary.pending_messages,
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            device_id: row.device,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.token_expires_at,
            scope: row.scope,
        }
    }
}
