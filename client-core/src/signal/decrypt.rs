//! Decrypting, with every guard before, and every change staged.

use libsignal_protocol::{
    GenericSignedPreKey as _, IdentityKey, KyberPreKeyRecord, PreKeyRecord, PreKeySignalMessage, SessionRecord,
    SessionUsabilityRequirements, SignalMessage, SignalProtocolError, SignedPreKeyRecord, message_decrypt_prekey,
    message_decrypt_signal,
};
use missive_wire::{Address, CipherKind, DeviceId};
use rand::{TryRngCore as _, rngs::OsRng};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    Signal, SignalError, guard,
    identity::Identity,
    protocol_address, save_session,
    stores::{StagedIdentity, StagedKyber, StagedPreKeys, StagedSession, StagedSignedPreKey},
};
use crate::{
    StorageError,
    clock::day,
    storage::{Batch, Table},
};

/// What a ciphertext held.
pub(crate) struct Decrypted {
    /// Still padded.
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
    /// Whether it came under another identity key than the trusted one.
    pub(crate) identity_changed: bool,
}

impl Signal {
    /// Decrypts. On failure nothing is in the batch and nothing has changed.
    pub(crate) async fn decrypt(
        &self,
        batch: &mut Batch,
        from: &Address,
        device: DeviceId,
        kind: Option<CipherKind>,
        ciphertext: &[u8],
    ) -> Result<Decrypted, SignalError> {
        match kind {
            Some(CipherKind::Message) => self.decrypt_message(batch, from, device, ciphertext).await,
            Some(CipherKind::PreKey) => self.decrypt_pre_key(batch, from, device, ciphertext).await,
            None => match self.decrypt_message(batch, from, device, ciphertext).await {
                Err(SignalError::Undecryptable(_)) => self.decrypt_pre_key(batch, from, device, ciphertext).await,
                result => result,
            },
        }
    }

    async fn decrypt_message(
        &self,
        batch: &mut Batch,
        from: &Address,
        device: DeviceId,
        ciphertext: &[u8],
    ) -> Result<Decrypted, SignalError> {
        let message = SignalMessage::try_from(ciphertext).map_err(undecryptable)?;
        guard::check_message(&message).map_err(unsound)?;
        let identity = Identity::load(&self.storage, from).await?;
        let mut sessions = StagedSession { record: self.session(from, device).await?, changed: false };
        let mut identities = self.staged_identity(identity.as_ref())?;
        let remote = protocol_address(from, device)?;
        let mut rng = OsRng.unwrap_err();
        let plaintext = guard::run(message_decrypt_signal(&message, &remote, &mut sessions, &mut identities, &mut rng))
            .map_err(SignalError::Undecryptable)?;
        self.check_session(sessions.record.as_ref())?;
        let identity_changed = identities.met != identities.trusted;
        if let (Some(record), true) = (&sessions.record, sessions.changed) {
            save_session(batch, from, device, record)?;
        }
        Ok(Decrypted { plaintext: Zeroizing::new(plaintext), identity_changed })
    }

    async fn decrypt_pre_key(
        &self,
        batch: &mut Batch,
        from: &Address,
        device: DeviceId,
        ciphertext: &[u8],
    ) -> Result<Decrypted, SignalError> {
        let message = PreKeySignalMessage::try_from(ciphertext).map_err(undecryptable)?;
        guard::check_pre_key_message(&message).map_err(unsound)?;
        let mut keys = self.pre_keys(&message).await?;
        let identity = Identity::load(&self.storage, from).await?;
        let mut sessions = StagedSession { record: self.session(from, device).await?, changed: false };
        let mut identities = self.staged_identity(identity.as_ref())?;
        let remote = protocol_address(from, device)?;
        let mut rng = OsRng.unwrap_err();
        let plaintext = guard::run(message_decrypt_prekey(
            &message,
            &remote,
            &mut sessions,
            &mut identities,
            &mut keys.one_time,
            &keys.signed,
            &mut keys.kyber,
            &mut rng,
        ))
        .map_err(SignalError::Undecryptable)?;
        self.check_session(sessions.record.as_ref())?;
        // In a message of a session that is there already, the key on the outside is anybody's word.
        let met = sessions.record.as_ref().map(SessionRecord::remote_identity_key_bytes).transpose();
        let met = met.map_err(undecryptable)?.flatten().map(|key| IdentityKey::decode(&key)).transpose();
        let identity_changed = note_identity(batch, from, identity, met.map_err(undecryptable)?)?;
        keys.save_used(batch, day(self.clock.timestamp()));
        if let (Some(record), true) = (&sessions.record, sessions.changed) {
            save_session(batch, from, device, record)?;
        }
        Ok(Decrypted { plaintext: Zeroizing::new(plaintext), identity_changed })
    }

    fn staged_identity(&self, identity: Option<&Identity>) -> Result<StagedIdentity, StorageError> {
        let trusted = identity.map(Identity::trusted).transpose()?;
        Ok(StagedIdentity { own: self.identity, registration_id: self.registration_id, trusted, met: None })
    }

    /// A peer may decline the post-quantum ratchet; this device does not talk to one that does.
    fn check_session(&self, record: Option<&SessionRecord>) -> Result<(), SignalError> {
        let requirements = SessionUsabilityRequirements::EstablishedWithPqxdh | SessionUsabilityRequirements::Spqr;
        let usable = record.map(|record| record.has_usable_sender_chain(self.clock.now(), requirements));
        match usable {
            Some(Ok(true)) => Ok(()),
            _ => Err(unsound("its session does without the post-quantum ratchet")),
        }
    }

    async fn pre_keys(&self, message: &PreKeySignalMessage) -> Result<NamedPreKeys, SignalError> {
        let mut keys = NamedPreKeys::default();
        if let Some(id) = message.pre_key_id() {
            let row = self.storage.get_bytes(Table::PreKey, &u32::from(id).to_be_bytes()).await?;
            let record = row.map(|row| PreKeyRecord::deserialize(&row)).transpose().map_err(damaged)?;
            keys.one_time.one_time = record.map(|record| (id, record));
        }
        let id = message.signed_pre_key_id();
        let row = self.storage.get_bytes(Table::SignedPreKey, &u32::from(id).to_be_bytes()).await?;
        let record = row.map(|row| SignedPreKeyRecord::deserialize(&row)).transpose().map_err(damaged)?;
        keys.signed = StagedSignedPreKey(record.map(|record| (id, record)));
        self.add_kyber(&mut keys, message).await?;
        Ok(keys)
    }

    async fn add_kyber(&self, keys: &mut NamedPreKeys, message: &PreKeySignalMessage) -> Result<(), SignalError> {
        let Some(id) = message.kyber_pre_key_id() else { return Ok(()) };
        let row_key = u32::from(id).to_be_bytes();
        let mut row = self.storage.get_bytes(Table::KyberPreKey, &row_key).await?;
        if row.is_none() {
            row = self.storage.get_bytes(Table::KyberLastResort, &row_key).await?;
            let base_key = base_key_row(message);
            keys.kyber.base_key_seen = self.storage.get_bytes(Table::BaseKey, &base_key).await?.is_some();
            keys.base_key = Some(base_key);
        }
        let record = row.map(|row| KyberPreKeyRecord::deserialize(&row)).transpose().map_err(damaged)?;
        keys.kyber.key = record.map(|record| (id, record));
        Ok(())
    }
}

/// The pre-keys that a message names.
#[derive(Default)]
struct NamedPreKeys {
    one_time: StagedPreKeys,
    signed: StagedSignedPreKey,
    kyber: StagedKyber,
    /// Where the Kyber key is the last-resort one: what to remember of this use.
    base_key: Option<Vec<u8>>,
}

impl NamedPreKeys {
    /// Deletes the one-time keys that were used, and remembers the use of the last-resort one.
    fn save_used(self, batch: &mut Batch, today: i64) {
        if let Some(id) = self.one_time.used {
            batch.delete(Table::PreKey, u32::from(id).to_be_bytes());
        }
        match (self.kyber.used, self.base_key) {
            (Some(_), Some(base_key)) => batch.put_bytes_on(Table::BaseKey, base_key, today, Vec::new()),
            (Some(id), None) => batch.delete(Table::KyberPreKey, u32::from(id).to_be_bytes()),
            (None, _) => {}
        }
    }
}

/// Trusts the first key met, and lets another wait. Says whether it is another.
fn note_identity(
    batch: &mut Batch,
    from: &Address,
    identity: Option<Identity>,
    met: Option<IdentityKey>,
) -> Result<bool, StorageError> {
    let Some(met) = met else { return Ok(false) };
    match identity {
        None => {
            Identity::first_use(&met).save(batch, from)?;
            Ok(false)
        }
        Some(identity) if identity.is_trusted(&met) => Ok(false),
        Some(mut identity) => {
            identity.note(&met);
            identity.save(batch, from)?;
            Ok(true)
        }
    }
}

fn base_key_row(message: &PreKeySignalMessage) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(u32::from(message.signed_pre_key_id()).to_be_bytes());
    hash.update(message.kyber_pre_key_id().map_or(0, u32::from).to_be_bytes());
    hash.update(message.base_key().serialize());
    hash.finalize().to_vec()
}

#[allow(clippy::needless_pass_by_value)] // it is used as a function
fn undecryptable(error: SignalProtocolError) -> SignalError {
    SignalError::Undecryptable(error.to_string())
}

fn unsound(reason: &str) -> SignalError {
    SignalError::Undecryptable(reason.to_owned())
}

fn damaged(_: SignalProtocolError) -> StorageError {
    StorageError::Damaged("a pre-key cannot be read")
}
