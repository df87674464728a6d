//! libsignal's stores for one operation: filled beforehand, read back afterwards, never waiting.

use async_trait::async_trait;
use libsignal_protocol::{
    Direction, IdentityChange, IdentityKey, IdentityKeyPair, IdentityKeyStore, KyberPreKeyId, KyberPreKeyRecord,
    KyberPreKeyStore, PreKeyId, PreKeyRecord, PreKeyStore, ProtocolAddress, PublicKey, SessionRecord, SessionStore,
    SignalProtocolError, SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore,
};

type Result<T> = std::result::Result<T, SignalProtocolError>;

/// The session with the one device that the operation is about.
pub(crate) struct StagedSession {
    pub(crate) record: Option<SessionRecord>,
    pub(crate) changed: bool,
}

/// Our identity, and which identity of the other's may be sent to.
pub(crate) struct StagedIdentity {
    pub(crate) own: IdentityKeyPair,
    pub(crate) registration_id: u32,
    /// `None` until the first use.
    pub(crate) trusted: Option<IdentityKey>,
    /// The key that the operation met.
    pub(crate) met: Option<IdentityKey>,
}

/// The pre-keys that a message names, where this device has them.
#[derive(Default)]
pub(crate) struct StagedPreKeys {
    pub(crate) one_time: Option<(PreKeyId, PreKeyRecord)>,
    pub(crate) used: Option<PreKeyId>,
}

/// The signed pre-key that a message names.
#[derive(Default)]
pub(crate) struct StagedSignedPreKey(pub(crate) Option<(SignedPreKeyId, SignedPreKeyRecord)>);

/// The Kyber pre-key that a message names.
#[derive(Default)]
pub(crate) struct StagedKyber {
    pub(crate) key: Option<(KyberPreKeyId, KyberPreKeyRecord)>,
    /// Set for a last-resort key when this base key has been used with it before.
    pub(crate) base_key_seen: bool,
    pub(crate) used: Option<KyberPreKeyId>,
}

#[async_trait(?Send)]
impl SessionStore for StagedSession {
    async fn load_session(&self, _: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.record.clone())
    }

    async fn store_session(&mut self, _: &ProtocolAddress, record: &SessionRecord) -> Result<()> {
        self.record = Some(record.clone());
        self.changed = true;
        Ok(())
    }
}

#[async_trait(?Send)]
impl IdentityKeyStore for StagedIdentity {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.own)
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(&mut self, _: &ProtocolAddress, identity: &IdentityKey) -> Result<IdentityChange> {
        self.met = Some(*identity);
        Ok(IdentityChange::from_changed(self.trusted.is_some_and(|trusted| trusted != *identity)))
    }

    /// A message under a changed key is read, and marked; only sending waits for its acceptance.
    async fn is_trusted_identity(&self, _: &ProtocolAddress, key: &IdentityKey, direction: Direction) -> Result<bool> {
        Ok(match direction {
            Direction::Receiving => true,
            Direction::Sending => self.trusted.is_none_or(|trusted| trusted == *key),
        })
    }

    async fn get_identity(&self, _: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(self.trusted)
    }
}

#[async_trait(?Send)]
impl PreKeyStore for StagedPreKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        find(self.one_time.as_ref(), id, SignalProtocolError::InvalidPreKeyId)
    }

    async fn save_pre_key(&mut self, _: PreKeyId, _: &PreKeyRecord) -> Result<()> {
        Err(read_only())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.used = Some(id);
        Ok(())
    }
}

#[async_trait(?Send)]
impl SignedPreKeyStore for StagedSignedPreKey {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        find(self.0.as_ref(), id, SignalProtocolError::InvalidSignedPreKeyId)
    }

    async fn save_signed_pre_key(&mut self, _: SignedPreKeyId, _: &SignedPreKeyRecord) -> Result<()> {
        Err(read_only())
    }
}

#[async_trait(?Send)]
impl KyberPreKeyStore for StagedKyber {
    async fn get_kyber_pre_key(&self, id: KyberPreKeyId) -> Result<KyberPreKeyRecord> {
        find(self.key.as_ref(), id, SignalProtocolError::InvalidKyberPreKeyId)
    }

    async fn save_kyber_pre_key(&mut self, _: KyberPreKeyId, _: &KyberPreKeyRecord) -> Result<()> {
        Err(read_only())
    }

    async fn mark_kyber_pre_key_used(&mut self, id: KyberPreKeyId, _: SignedPreKeyId, _: &PublicKey) -> Result<()> {
        if self.base_key_seen {
            return Err(SignalProtocolError::InvalidArgument("the base key has been used before".to_owned()));
        }
        self.used = Some(id);
        Ok(())
    }
}

fn find<I: PartialEq + Copy, R: Clone>(staged: Option<&(I, R)>, id: I, missing: SignalProtocolError) -> Result<R> {
    staged.filter(|(staged, _)| *staged == id).map(|(_, record)| record.clone()).ok_or(missing)
}

fn read_only() -> SignalProtocolError {
    SignalProtocolError::InvalidArgument("decryption makes no pre-keys".to_owned())
}
