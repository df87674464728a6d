//! Making a federation key, and signing that it is this server's.

use missive_wire::Timestamp;

use super::{SigningKey, ring::LIFETIME_MILLIS, ring::entry, rotation_statement};
use crate::{
    clock::Clock,
    keys::{MasterKey, MasterKeyError},
    model::{FederationKeyRow, Statement},
};

/// A new key for that place, ready to be stored. It is the first, unless someone [signs for it](sign_for).
pub fn issue(
    position: i64,
    valid_from: Timestamp,
    master: &MasterKey,
    clock: &Clock,
) -> Result<FederationKeyRow, MasterKeyError> {
    let pair = SigningKey::generate(clock).ok_or(MasterKeyError::NoRandomness)?;
    Ok(FederationKeyRow {
        position,
        id: pair.id().to_owned(),
        public_key: pair.public().to_vec(),
        sealed: Some(pair.seal(master, clock)?),
        created_at: clock.now(),
        valid_from,
        valid_until: Timestamp::from_millis(valid_from.millis() + LIFETIME_MILLIS),
        statement: None,
        revoked: None,
    })
}

/// Says that the key is that server's.
pub fn sign_for(
    mut row: FederationKeyRow,
    server_name: &str,
    signed_by: &str,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> FederationKeyRow {
    let signature = sign(rotation_statement(server_name, signed_by, &entry(&row)).as_bytes());
    row.statement = Some(Statement { signed_by: signed_by.to_owned(), signature: signature.to_vec() });
    row
}
