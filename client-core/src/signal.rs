//! The Signal protocol: this device's keys, sessions with others, encrypting, decrypting.
//!
//! Nothing here commits: every change goes into the caller's [`Batch`], beside the message that it belongs to, so that
//! ratchet and message are stored together or not at all. The caller lets one operation run at a time.

mod bundle;
mod decrypt;
mod encrypt;
mod error;
mod guard;
mod identity;
mod own_keys;
mod safety_number;
mod stores;

use std::{sync::Arc, time::Duration};

use libsignal_protocol::{IdentityKeyPair, ProtocolAddress, SessionRecord};
use missive_wire::{Address, Base64, DeviceId, KeyUpload};
use serde::{Deserialize, Serialize};

pub use error::SignalError;
pub use safety_number::SafetyNumber;

pub(crate) use encrypt::Encrypted;
pub(crate) use identity::Identity;
pub(crate) use own_keys::ONE_TIME_KEYS;

use crate::{
    Clock, StorageError,
    clock::day,
    storage::{Batch, Row, Storage, Table},
};
use own_keys::{OWN_KEYS, OwnKeys};

const UPLOAD: &[u8] = b"upload";

/// A new identity that the homeserver may have taken, or not.
const ASIDE: &[u8] = b"identity set aside";

/// Lasting keys are replaced when they are this old.
const ROTATE_AFTER: Duration = Duration::from_hours(7 * 24);

/// And kept for messages that are on their way: a sender tries for 30 days, and a homeserver keeps for 30.
const KEPT_DAYS: i64 = 90;

/// A digest that tells sessions with an account's devices from later ones.
pub(crate) type SessionMark = Base64;

/// As it is set aside.
#[derive(Serialize, Deserialize)]
struct Aside {
    upload: KeyUpload,
    rows: Vec<Row>,
}

/// This device's half of every conversation.
pub(crate) struct Signal {
    storage: Arc<Storage>,
    clock: Clock,
    identity: IdentityKeyPair,
    registration_id: u32,
}

/// A new identity that has not been stored: its keys, and what to publish.
pub(crate) struct NewIdentity {
    batch: Batch,
    /// The public halves.
    pub(crate) upload: KeyUpload,
}

impl Signal {
    /// The keys that were installed before, if any.
    pub(crate) async fn load(storage: Arc<Storage>, clock: Clock) -> Result<Option<Self>, SignalError> {
        let Some(own) = storage.get::<OwnKeys>(Table::Meta, OWN_KEYS).await? else { return Ok(None) };
        let (identity, registration_id) = (own.identity()?, own.registration_id);
        Ok(Some(Self { storage, clock, identity, registration_id }))
    }

    /// Makes a new identity without storing it.
    pub(crate) fn generate(clock: &Clock) -> Result<NewIdentity, SignalError> {
        let mut batch = Batch::default();
        let mut own = OwnKeys::generate();
        let upload = own.whole_upload(&mut batch, millis(clock))?;
        batch.put(Table::Meta, OWN_KEYS, &own)?;
        Ok(NewIdentity { batch, upload })
    }

    /// Stores a new identity in the place of what was there, with what is still to be published.
    pub(crate) async fn install(storage: &Storage, new: NewIdentity, published: bool) -> Result<(), SignalError> {
        let mut batch = Batch::default();
        let own = [Table::PreKey, Table::SignedPreKey, Table::KyberPreKey, Table::KyberLastResort, Table::BaseKey];
        // What the outbox holds was encrypted under the old identity; its receivers can still read it.
        for table in own.into_iter().chain([Table::Session]) {
            batch.clear(table);
        }
        batch.append(new.batch);
        batch.delete(Table::Meta, UPLOAD);
        batch.delete(Table::Meta, ASIDE);
        if !published {
            batch.put(Table::Meta, UPLOAD, &new.upload)?;
        }
        Ok(storage.commit(batch).await?)
    }

    /// Keeps a new identity aside: should we die before we hear that the homeserver has taken it, it is not lost.
    pub(crate) async fn set_aside(storage: &Storage, new: &NewIdentity) -> Result<(), SignalError> {
        let mut batch = Batch::default();
        batch.put(Table::Meta, ASIDE, &Aside { upload: new.upload.clone(), rows: new.batch.to_rows() })?;
        Ok(storage.commit(batch).await?)
    }

    /// The identity that was set aside, if any.
    pub(crate) async fn aside(storage: &Storage) -> Result<Option<NewIdentity>, SignalError> {
        let aside: Option<Aside> = storage.get(Table::Meta, ASIDE).await?;
        Ok(aside.map(|Aside { upload, rows }| NewIdentity { batch: Batch::from_rows(rows), upload }))
    }

    /// Installs the identity that was set aside, if it is the published one.
    pub(crate) async fn take_up(storage: &Storage, published: &[u8]) -> Result<bool, SignalError> {
        let Some(new) = Self::aside(storage).await? else { return Ok(false) };
        if new.upload.identity_key.as_ref().is_none_or(|key| key.0 != published) {
            return Ok(false);
        }
        Self::install(storage, new, true).await?;
        Ok(true)
    }

    /// Our public identity key, serialized.
    pub(crate) fn identity_key(&self) -> Vec<u8> {
        self.identity.identity_key().serialize().into()
    }

    /// What the server's digest must be.
    pub(crate) async fn digest(&self) -> Result<[u8; 32], SignalError> {
        Ok(self.own_keys().await?.digest()?)
    }

    /// Keys that were made and perhaps not published: the same again does no harm.
    pub(crate) async fn pending_upload(&self) -> Result<Option<KeyUpload>, SignalError> {
        Ok(self.storage.get(Table::Meta, UPLOAD).await?)
    }

    /// Notes that the pending keys have been published.
    pub(crate) async fn upload_done(&self) -> Result<(), SignalError> {
        let mut batch = Batch::default();
        batch.delete(Table::Meta, UPLOAD);
        Ok(self.storage.commit(batch).await?)
    }

    /// Makes one-time keys to publish.
    pub(crate) async fn top_up(&self, ec: u32, kyber: u32) -> Result<(), SignalError> {
        self.stage(|own, batch| own.one_time_upload(batch, ec, kyber)).await
    }

    /// Makes a whole set to publish under the same identity, with ids above what the server has seen.
    pub(crate) async fn renew(&self, highest: u32) -> Result<(), SignalError> {
        let now = millis(&self.clock);
        let mut own = self.own_keys().await?;
        let mut batch = Batch::default();
        self.retire(&own, &mut batch).await?;
        own.skip_to(highest);
        let upload = own.whole_upload(&mut batch, now)?;
        batch.put(Table::Meta, OWN_KEYS, &own)?;
        batch.put(Table::Meta, UPLOAD, &upload)?;
        Ok(self.storage.commit(batch).await?)
    }

    /// From today on the present lasting keys are old ones; those that nobody can have a use for any more go.
    async fn retire(&self, own: &OwnKeys, batch: &mut Batch) -> Result<(), SignalError> {
        let today = day(self.clock.timestamp());
        for (table, key_id) in own.lasting() {
            if let Some(record) = self.storage.get_bytes(table, &key_id.to_be_bytes()).await? {
                batch.put_bytes_on(table, key_id.to_be_bytes(), today, record.to_vec());
            }
            batch.forget(table, today - KEPT_DAYS);
        }
        // A key of last resort is in use for a week, then kept: so long no message may build a second session with it.
        batch.forget(Table::BaseKey, today - 2 * KEPT_DAYS);
        Ok(())
    }

    /// Makes new lasting keys where the present ones are old, and forgets those that nobody can have a use for.
    pub(crate) async fn rotate(&self) -> Result<bool, SignalError> {
        let mut own = self.own_keys().await?;
        if !own.are_older_than(ROTATE_AFTER, millis(&self.clock)) {
            return Ok(false);
        }
        let mut batch = Batch::default();
        self.retire(&own, &mut batch).await?;
        tracing::info!("new signed pre-keys");
        let upload = own.lasting_upload(&mut batch, millis(&self.clock))?;
        batch.put(Table::Meta, OWN_KEYS, &own)?;
        batch.put(Table::Meta, UPLOAD, &upload)?;
        self.storage.commit(batch).await?;
        Ok(true)
    }

    /// Trusts the newest identity key of an account, if it is the one that the safety number is about; `None` if it is
    /// not. Says whether that changed anything.
    pub(crate) async fn accept_identity(&self, number: &SafetyNumber) -> Result<Option<bool>, SignalError> {
        let Some(mut identity) = Identity::load(&self.storage, number.with()).await? else { return Ok(None) };
        if !number.is_about(identity.newest()) {
            return Ok(None);
        }
        let accepted = identity.accept();
        if accepted {
            let mut batch = Batch::default();
            identity.save(&mut batch, number.with())?;
            self.storage.commit(batch).await?;
        }
        Ok(Some(accepted))
    }

    /// Forgets a changed identity key that waits for acceptance. Says whether there was one.
    pub(crate) async fn reject_identity(&self, address: &Address) -> Result<bool, SignalError> {
        let Some(mut identity) = Identity::load(&self.storage, address).await? else { return Ok(false) };
        if !identity.reject() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        identity.save(&mut batch, address)?;
        self.storage.commit(batch).await?;
        Ok(true)
    }

    async fn stage(
        &self,
        make: impl FnOnce(&mut OwnKeys, &mut Batch) -> Result<KeyUpload, StorageError>,
    ) -> Result<(), SignalError> {
        let mut own = self.own_keys().await?;
        let mut batch = Batch::default();
        let upload = make(&mut own, &mut batch)?;
        batch.put(Table::Meta, OWN_KEYS, &own)?;
        batch.put(Table::Meta, UPLOAD, &upload)?;
        Ok(self.storage.commit(batch).await?)
    }

    async fn own_keys(&self) -> Result<OwnKeys, SignalError> {
        self.storage.get(Table::Meta, OWN_KEYS).await?.ok_or(SignalError::NotInstalled)
    }

    async fn session(&self, address: &Address, device: DeviceId) -> Result<Option<SessionRecord>, StorageError> {
        let row = self.storage.get_bytes(Table::Session, session_key(address, device).as_bytes()).await?;
        row.map(|row| SessionRecord::deserialize(&row))
            .transpose()
            .map_err(|_| StorageError::Damaged("a session cannot be read"))
    }
}

fn session_key(address: &Address, device: DeviceId) -> String {
    format!("{address}/{device}")
}

fn save_session(
    batch: &mut Batch,
    address: &Address,
    device: DeviceId,
    record: &SessionRecord,
) -> Result<(), StorageError> {
    let bytes = record.serialize().map_err(|_| StorageError::Damaged("a session cannot be written"))?;
    batch.put_bytes(Table::Session, session_key(address, device), bytes);
    Ok(())
}

fn protocol_address(address: &Address, device: DeviceId) -> Result<ProtocolAddress, StorageError> {
    let id = libsignal_protocol::DeviceId::new(device.get()).map_err(|_| StorageError::Damaged("a device id"))?;
    Ok(ProtocolAddress::new(address.to_string(), id))
}

fn millis(clock: &Clock) -> u64 {
    u64::try_from(clock.timestamp().millis()).unwrap_or(0)
}
