//! The keys of this device: made here, the private halves never leave.

use std::time::Duration;

use libsignal_protocol::{
    GenericSignedPreKey as _, IdentityKeyPair, KeyPair, KyberPreKeyRecord, PreKeyRecord, SignalProtocolError,
    SignedPreKeyRecord, Timestamp, kem,
};
use missive_wire::{Base64, KeyUpload, PreKey, SignedPreKey};
use rand::{Rng as _, TryRngCore as _, rngs::OsRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    StorageError,
    storage::{Batch, Table},
};

/// How many one-time keys of a kind the server should hold.
pub(crate) const ONE_TIME_KEYS: u32 = 100;

/// Registration ids are 1..=16380.
const REGISTRATION_ID_MAX: u32 = 16_380;

pub(super) const OWN_KEYS: &[u8] = b"own keys";

/// What this device has to know of its own keys; their private halves are rows of their own.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OwnKeys {
    identity: Base64,
    pub(super) registration_id: u32,
    signed: Current,
    last_resort: Current,
    /// When these two were made: Unix milliseconds.
    lasting_since: u64,
    next_pre_key: u32,
    next_signed: u32,
    /// One counter for both kinds of Kyber key: a message names either by its id alone.
    next_kyber: u32,
}

/// A published key that is not one-time.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Current {
    key_id: u32,
    public_key: Vec<u8>,
}

impl OwnKeys {
    /// A new identity, with nothing published.
    pub(super) fn generate() -> Self {
        let mut rng = OsRng.unwrap_err();
        Self {
            identity: Base64(IdentityKeyPair::generate(&mut rng).serialize().into()),
            registration_id: rng.random_range(1..=REGISTRATION_ID_MAX),
            signed: Current::default(),
            last_resort: Current::default(),
            lasting_since: 0,
            next_pre_key: 1,
            next_signed: 1,
            next_kyber: 1,
        }
    }

    pub(super) fn identity(&self) -> Result<IdentityKeyPair, StorageError> {
        IdentityKeyPair::try_from(self.identity.0.as_slice()).map_err(damaged)
    }

    /// Makes a whole upload: new signed and last-resort keys, and one-time keys.
    pub(super) fn whole_upload(&mut self, batch: &mut Batch, now: u64) -> Result<KeyUpload, StorageError> {
        let identity = self.identity()?;
        let lasting = self.lasting_upload(batch, now)?;
        let one_time = self.one_time_upload(batch, ONE_TIME_KEYS, ONE_TIME_KEYS)?;
        Ok(KeyUpload {
            identity_key: Some(Base64(identity.identity_key().serialize().into())),
            registration_id: Some(self.registration_id),
            signed_pre_key: lasting.signed_pre_key,
            pq_last_resort_pre_key: lasting.pq_last_resort_pre_key,
            ..one_time
        })
    }

    /// Makes new signed and last-resort keys.
    pub(super) fn lasting_upload(&mut self, batch: &mut Batch, now: u64) -> Result<KeyUpload, StorageError> {
        let identity = self.identity()?;
        let signed_pre_key = self.new_signed(batch, &identity, now).map_err(damaged)?;
        let last_resort = self.new_kyber(batch, &identity, Table::KyberLastResort).map_err(damaged)?;
        self.signed = current(&signed_pre_key);
        self.last_resort = current(&last_resort);
        self.lasting_since = now;
        Ok(KeyUpload {
            signed_pre_key: Some(signed_pre_key),
            pq_last_resort_pre_key: Some(last_resort),
            ..KeyUpload::default()
        })
    }

    /// Whether the signed and last-resort keys are older than that. A clock that went back makes them young.
    pub(super) fn are_older_than(&self, age: Duration, now: u64) -> bool {
        u128::from(now.saturating_sub(self.lasting_since)) > age.as_millis()
    }

    /// Where the signed and last-resort keys are.
    pub(super) fn lasting(&self) -> [(Table, u32); 2] {
        [(Table::SignedPreKey, self.signed.key_id), (Table::KyberLastResort, self.last_resort.key_id)]
    }

    /// Makes one-time keys.
    pub(super) fn one_time_upload(
        &mut self,
        batch: &mut Batch,
        ec: u32,
        kyber: u32,
    ) -> Result<KeyUpload, StorageError> {
        let identity = self.identity()?;
        let pre_keys = (0..ec).map(|_| self.new_pre_key(batch)).collect::<Result<_, _>>().map_err(damaged)?;
        let pq_pre_keys = (0..kyber)
            .map(|_| self.new_kyber(batch, &identity, Table::KyberPreKey))
            .collect::<Result<_, _>>()
            .map_err(damaged)?;
        Ok(KeyUpload { pre_keys, pq_pre_keys, ..KeyUpload::default() })
    }

    /// Goes on above an id that the server has seen.
    pub(super) fn skip_to(&mut self, highest: u32) {
        let next = highest.saturating_add(1);
        self.next_pre_key = self.next_pre_key.max(next);
        self.next_signed = self.next_signed.max(next);
        self.next_kyber = self.next_kyber.max(next);
    }

    /// What `GET …/keys/count` answers as `digest` when these keys are the published ones.
    pub(super) fn digest(&self) -> Result<[u8; 32], StorageError> {
        let mut hash = Sha256::new();
        hash.update(self.identity()?.identity_key().serialize());
        hash.update(self.registration_id.to_be_bytes());
        for key in [&self.signed, &self.last_resort] {
            hash.update(key.key_id.to_be_bytes());
            hash.update(&key.public_key);
        }
        Ok(hash.finalize().into())
    }

    fn new_pre_key(&mut self, batch: &mut Batch) -> Result<PreKey, SignalProtocolError> {
        let key_id = take(&mut self.next_pre_key);
        let pair = KeyPair::generate(&mut OsRng.unwrap_err());
        let record = PreKeyRecord::new(key_id.into(), &pair);
        batch.put_bytes(Table::PreKey, key_id.to_be_bytes(), record.serialize()?);
        Ok(PreKey { key_id, public_key: Base64(pair.public_key.serialize().into()) })
    }

    fn new_signed(
        &mut self,
        batch: &mut Batch,
        identity: &IdentityKeyPair,
        now: u64,
    ) -> Result<SignedPreKey, SignalProtocolError> {
        let key_id = take(&mut self.next_signed);
        let mut rng = OsRng.unwrap_err();
        let pair = KeyPair::generate(&mut rng);
        let public_key = pair.public_key.serialize();
        let signature = identity.private_key().calculate_signature(&public_key, &mut rng)?;
        let record = SignedPreKeyRecord::new(key_id.into(), Timestamp::from_epoch_millis(now), &pair, &signature);
        batch.put_bytes(Table::SignedPreKey, key_id.to_be_bytes(), record.serialize()?);
        Ok(SignedPreKey { key_id, public_key: Base64(public_key.into()), signature: Base64(signature.into()) })
    }

    fn new_kyber(
        &mut self,
        batch: &mut Batch,
        identity: &IdentityKeyPair,
        table: Table,
    ) -> Result<SignedPreKey, SignalProtocolError> {
        let key_id = take(&mut self.next_kyber);
        let record = KyberPreKeyRecord::generate(kem::KeyType::Kyber1024, key_id.into(), identity.private_key())?;
        batch.put_bytes(table, key_id.to_be_bytes(), record.serialize()?);
        let public_key = record.public_key()?.serialize();
        Ok(SignedPreKey { key_id, public_key: Base64(public_key.into()), signature: Base64(record.signature()?) })
    }
}

fn current(key: &SignedPreKey) -> Current {
    Current { key_id: key.key_id, public_key: key.public_key.0.clone() }
}

fn take(next: &mut u32) -> u32 {
    let id = *next;
    *next = id.saturating_add(1);
    id
}

fn damaged(_: SignalProtocolError) -> StorageError {
    StorageError::Damaged("the keys of this device cannot be read")
}
