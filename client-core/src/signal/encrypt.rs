//! Encrypting for every device of an account.

use libsignal_protocol::{CiphertextMessageType, SessionRecord, SessionUsabilityRequirements, message_encrypt};
use missive_wire::{Address, Base64, CipherKind, Content, DeviceId};
use rand::{TryRngCore as _, rngs::OsRng};
use sha2::{Digest as _, Sha256};

use super::{
    SessionMark, Signal, SignalError,
    bundle::add_to_mark,
    guard,
    identity::Identity,
    protocol_address, save_session,
    stores::{StagedIdentity, StagedSession},
};
use crate::storage::Batch;

/// A ciphertext for one device.
pub(crate) struct Encrypted {
    pub(crate) device: DeviceId,
    pub(crate) registration_id: u32,
    pub(crate) kind: CipherKind,
    pub(crate) content: Content,
}

impl Signal {
    /// Encrypts for every known device of an account, and says with which sessions. Fails with [`SignalError::NoSession`] when a bundle must be
    /// claimed first, and with [`SignalError::IdentityChanged`] while a changed key waits for acceptance.
    pub(crate) async fn encrypt(
        &self,
        batch: &mut Batch,
        to: &Address,
        plaintext: &[u8],
    ) -> Result<(Vec<Encrypted>, SessionMark), SignalError> {
        let no_session = || SignalError::NoSession(to.clone());
        let identity = Identity::load(&self.storage, to).await?.ok_or_else(no_session)?;
        if identity.waits_for_acceptance() {
            return Err(SignalError::IdentityChanged(to.clone()));
        }
        let mut encrypted = Vec::new();
        let mut mark = Sha256::new();
        for device in self.devices(to).await? {
            let record = self.session(to, device).await?.ok_or_else(no_session)?;
            if !self.is_usable(&record, &identity)? {
                return Err(no_session());
            }
            add_to_mark(&mut mark, device, &record);
            encrypted.push(self.encrypt_for(batch, to, device, &identity, record, plaintext)?);
        }
        Ok((encrypted, Base64(mark.finalize().to_vec())))
    }

    /// Whether a changed identity key of an account waits for acceptance.
    pub(crate) async fn identity_waits(&self, address: &Address) -> Result<bool, SignalError> {
        Ok(Identity::load(&self.storage, address).await?.is_some_and(|identity| identity.waits_for_acceptance()))
    }

    fn is_usable(&self, record: &SessionRecord, identity: &Identity) -> Result<bool, SignalError> {
        let broken = |error: libsignal_protocol::SignalProtocolError| SignalError::Encrypt(error.to_string());
        if !record.has_usable_sender_chain(self.clock.now(), SessionUsabilityRequirements::all()).map_err(broken)? {
            return Ok(false);
        }
        let remote = record.remote_identity_key_bytes().map_err(broken)?;
        Ok(remote == Some(identity.trusted()?.serialize().into()))
    }

    fn encrypt_for(
        &self,
        batch: &mut Batch,
        to: &Address,
        device: DeviceId,
        identity: &Identity,
        record: SessionRecord,
        plaintext: &[u8],
    ) -> Result<Encrypted, SignalError> {
        let broken = |error: libsignal_protocol::SignalProtocolError| SignalError::Encrypt(error.to_string());
        let registration_id = record.remote_registration_id().map_err(broken)?;
        let mut sessions = StagedSession { record: Some(record), changed: false };
        let mut identities = StagedIdentity {
            own: self.identity,
            registration_id: self.registration_id,
            trusted: Some(identity.trusted()?),
            met: None,
        };
        let remote = protocol_address(to, device)?;
        let mut rng = OsRng.unwrap_err();
        let now = self.clock.now();
        let message = guard::run(message_encrypt(plaintext, &remote, &mut sessions, &mut identities, now, &mut rng))
            .map_err(SignalError::Encrypt)?;
        let kind = match message.message_type() {
            CiphertextMessageType::PreKey => CipherKind::PreKey,
            _ => CipherKind::Message,
        };
        if let (Some(record), true) = (&sessions.record, sessions.changed) {
            save_session(batch, to, device, record)?;
        }
        Ok(Encrypted { device, registration_id, kind, content: Content::encode(message.serialize()) })
    }
}
