use missive_wire::{DeviceId, Scope, Timestamp};
use uuid::Uuid;

use super::DeviceKey;

/// Who calls, as a valid access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The account.
    pub account: Uuid,
    /// The device that logged in.
    pub device: DeviceId,
    /// The session.
    pub session: Uuid,
    /// What it may do.
    pub scope: Vec<Scope>,
}

impl Access {
    /// The device that calls.
    pub fn device_key(&self) -> DeviceKey {
        DeviceKey { account: self.account, device: self.device }
    }
}

/// A log-in as the store holds it.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: Uuid,
    /// Of which device.
    pub device: DeviceId,
    /// What the device is called.
    pub device_name: Option<String>,
    /// What its tokens may do.
    pub scope: Vec<Scope>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its tokens were last refreshed.
    pub last_used_at: Timestamp,
    /// SHA-256 of the current refresh token's id.
    pub token_hash: Vec<u8>,
    /// When the current refresh token ends.
    pub token_expires_at: Timestamp,
    /// SHA-256 of the id of the refresh token before.
    pub previous_token_hash: Option<Vec<u8>>,
    /// When the current refresh token was made from it.
    pub rotated_at: Option<Timestamp>,
}
