//! Building sessions from claimed keys.

use std::collections::BTreeSet;

use libsignal_protocol::{
    IdentityKey, PreKeyBundle, PublicKey, SessionRecord, SessionUsabilityRequirements, SignalProtocolError, kem,
    process_prekey_bundle,
};
use missive_wire::{Address, Base64, ClaimedBundle, ClaimedDevice, DeviceId};
use rand::{TryRngCore as _, rngs::OsRng};
use sha2::{Digest as _, Sha256};

use super::{
    SessionMark, Signal, SignalError, guard,
    identity::Identity,
    protocol_address, save_session,
    stores::{StagedIdentity, StagedSession},
};
use crate::storage::{Batch, Table};

impl Signal {
    /// Builds a session with every device of a claimed bundle. A bundle under another identity key than the trusted one
    /// is refused, and its key waits for acceptance.
    pub(crate) async fn learn_bundle(
        &self,
        batch: &mut Batch,
        address: &Address,
        bundle: &ClaimedBundle,
    ) -> Result<(), SignalError> {
        let bad = |reason: &str| SignalError::BadBundle { address: address.clone(), reason: reason.to_owned() };
        let key = ec_key(&bundle.identity_key.0).map_err(|reason| bad(&reason))?;
        let key = IdentityKey::new(key);
        let identity = Identity::load(&self.storage, address).await?;
        let identity = match identity {
            Some(mut identity) if !identity.is_trusted(&key) => {
                identity.note(&key);
                identity.save(batch, address)?;
                return Err(SignalError::IdentityChanged(address.clone()));
            }
            Some(identity) => identity,
            None => Identity::first_use(&key),
        };
        if bundle.devices.is_empty() {
            return Err(bad("no device of the account has published keys"));
        }
        let ids: BTreeSet<DeviceId> = bundle.devices.iter().map(|device| device.device_id).collect();
        if ids.len() != bundle.devices.len() {
            return Err(bad("they name a device twice"));
        }
        for device in &bundle.devices {
            self.build_session(batch, address, &identity, key, device).await?;
        }
        identity.save(batch, address)?;
        let devices: Vec<DeviceId> = bundle.devices.iter().map(|device| device.device_id).collect();
        Ok(batch.put(Table::Devices, address.to_string(), &devices)?)
    }

    /// Forgets which devices an account has, and stops using the sessions with them: the next message claims anew.
    pub(crate) async fn forget_sessions(&self, batch: &mut Batch, address: &Address) -> Result<(), SignalError> {
        for device in self.devices(address).await? {
            if let Some(mut record) = self.session(address, device).await? {
                record.archive_current_state().map_err(|error| SignalError::Encrypt(error.to_string()))?;
                save_session(batch, address, device, &record)?;
            }
        }
        batch.delete(Table::Devices, address.to_string());
        Ok(())
    }

    /// Tells the present sessions with an account's devices from those before and after; `None` without any.
    pub(crate) async fn session_mark(&self, address: &Address) -> Result<Option<SessionMark>, SignalError> {
        let mut mark = Sha256::new();
        for device in self.devices(address).await? {
            let Some(record) = self.session(address, device).await? else { return Ok(None) };
            if !add_to_mark(&mut mark, device, &record) {
                return Ok(None);
            }
        }
        Ok(Some(Base64(mark.finalize().to_vec())))
    }

    /// The devices that an account is known to have: the first one, as long as nothing else is known.
    pub(super) async fn devices(&self, address: &Address) -> Result<Vec<DeviceId>, SignalError> {
        let known = self.storage.get(Table::Devices, address.to_string().as_bytes()).await?;
        Ok(known.unwrap_or_else(|| vec![DeviceId::FIRST]))
    }

    async fn build_session(
        &self,
        batch: &mut Batch,
        address: &Address,
        identity: &Identity,
        key: IdentityKey,
        device: &ClaimedDevice,
    ) -> Result<(), SignalError> {
        let bad = |reason: String| SignalError::BadBundle { address: address.clone(), reason };
        let bundle = pre_key_bundle(key, device).map_err(bad)?;
        let mut sessions = StagedSession { record: self.session(address, device.device_id).await?, changed: false };
        let mut identities = StagedIdentity {
            own: self.identity,
            registration_id: self.registration_id,
            trusted: Some(identity.trusted()?),
            met: None,
        };
        let remote = protocol_address(address, device.device_id)?;
        let now = self.clock.now();
        let mut rng = OsRng.unwrap_err();
        guard::run(process_prekey_bundle(&remote, &mut sessions, &mut identities, &bundle, now, &mut rng))
            .map_err(bad)?;
        let record = sessions.record.ok_or_else(|| bad("no session came of them".to_owned()))?;
        let usable = record.has_usable_sender_chain(now, SessionUsabilityRequirements::all());
        if !usable.unwrap_or(false) {
            return Err(bad("they do without the post-quantum ratchet".to_owned()));
        }
        Ok(save_session(batch, address, device.device_id, &record)?)
    }
}

/// Adds the present session with a device to a mark; whether there is one.
pub(super) fn add_to_mark(mark: &mut Sha256, device: DeviceId, record: &SessionRecord) -> bool {
    // Without a present session it has none, and says so with an error.
    let Ok(base_key) = record.alice_base_key() else { return false };
    mark.update([device.get()]);
    mark.update(base_key);
    true
}

fn pre_key_bundle(identity: IdentityKey, device: &ClaimedDevice) -> Result<PreKeyBundle, String> {
    let one_time = match &device.pre_key {
        Some(key) => Some((key.key_id.into(), ec_key(&key.public_key.0)?)),
        None => None,
    };
    let text = |error: SignalProtocolError| error.to_string();
    let id = libsignal_protocol::DeviceId::new(device.device_id.get()).map_err(|_| "a device id is out of range")?;
    let kyber = kem::PublicKey::deserialize(&device.pq_pre_key.public_key.0).map_err(text)?;
    if kyber.key_type() != kem::KeyType::Kyber1024 {
        return Err("the post-quantum key is not of Kyber-1024".to_owned());
    }
    PreKeyBundle::new(
        device.registration_id,
        id,
        one_time,
        device.signed_pre_key.key_id.into(),
        ec_key(&device.signed_pre_key.public_key.0)?,
        device.signed_pre_key.signature.0.clone(),
        device.pq_pre_key.key_id.into(),
        kyber,
        device.pq_pre_key.signature.0.clone(),
        identity,
    )
    .map_err(text)
}

/// An EC key as it is published: 33 bytes, canonical.
fn ec_key(bytes: &[u8]) -> Result<PublicKey, String> {
    let key = PublicKey::deserialize(bytes).map_err(|error| error.to_string())?;
    if bytes.len() != 33 {
        return Err("a public key has the wrong length".to_owned());
    }
    guard::require_canonical(&key)?;
    Ok(key)
}
