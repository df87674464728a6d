//! A checked document of keys: whoever holds a [`KeyDocument`] need not ask again whether ids, lengths and times can be.

use std::collections::BTreeSet;

use ed25519_dalek::VerifyingKey;
use missive_wire::{
    Base64, FederationAlgorithm, FederationKey, Revocation, Rotation, SIGNED_BY_RECOVERY, ServerKeys, Timestamp,
};

/// The most keys a document may have.
pub const KEYS_MAX: usize = 64;

/// The most statements, and the most revocations, a document may have.
pub const STATEMENTS_MAX: usize = 512;

/// What a server publishes of its keys, checked but not yet trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDocument {
    /// The keys that verify now or will.
    pub keys: Vec<Entry>,
    /// Who vouches for which key.
    pub statements: Vec<Statement>,
    /// Which keys count for nothing.
    pub revocations: Vec<Revoked>,
    /// What signs when no key can.
    pub recovery_key: Option<[u8; 32]>,
}

/// A key and when it verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id: 1 to 64 characters of `A-Za-z0-9._-`, not `recovery`.
    pub key_id: String,
    /// Ed25519: a point of the curve, and not one that verifies anything.
    pub public_key: [u8; 32],
    /// From here …
    pub valid_from: Timestamp,
    /// … until here.
    pub valid_until: Timestamp,
}

/// Who vouches for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The key as it was signed.
    pub entry: Entry,
    /// Who signed.
    pub signed_by: Signer,
    /// Ed25519, over [`super::rotation_lines`].
    pub signature: [u8; 64],
}

/// Who signed a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signer {
    /// The key of that id.
    Key(String),
    /// The recovery key.
    Recovery,
}

/// The statement that a key counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Which.
    pub key_id: String,
    /// When it was revoked. What it signed before counts for nothing either.
    pub revoked_at: Timestamp,
    /// Ed25519, over [`super::revocation_lines`], by the recovery key.
    pub signature: [u8; 64],
}

/// What is wrong with a document of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Too many keys, statements or revocations.
    #[error("there are too many {0}")]
    TooMany(&'static str),
    /// An id that is none.
    #[error("a key id is not 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-', or is 'recovery'")]
    KeyId,
    /// Two keys of one id.
    #[error("two keys have the id {0}")]
    DuplicateKey(String),
    /// A public key that is none, or that verifies anything.
    #[error("the public key of {0} is not a usable Ed25519 key of 32 bytes")]
    PublicKey(String),
    /// A signature of another length.
    #[error("a signature for {0} does not have 64 bytes")]
    Signature(String),
    /// A key that ends before it begins.
    #[error("key {0} ends before it begins")]
    Validity(String),
}

impl TryFrom<ServerKeys> for KeyDocument {
    type Error = DocumentError;

    fn try_from(keys: ServerKeys) -> Result<Self, DocumentError> {
        at_most(KEYS_MAX, keys.keys.len(), "keys")?;
        at_most(STATEMENTS_MAX, keys.rotations.len(), "rotations")?;
        at_most(STATEMENTS_MAX, keys.revocations.len(), "revocations")?;
        let document = Self {
            keys: keys.keys.into_iter().map(Entry::try_from).collect::<Result<_, _>>()?,
            statements: keys.rotations.into_iter().map(Statement::try_from).collect::<Result<_, _>>()?,
            revocations: keys.revocations.into_iter().map(Revoked::try_from).collect::<Result<_, _>>()?,
            recovery_key: keys.recovery_key.map(|key| public_key(SIGNED_BY_RECOVERY, &key)).transpose()?,
        };
        let mut ids = BTreeSet::new();
        match document.keys.iter().find(|entry| !ids.insert(&entry.key_id)) {
            Some(entry) => Err(DocumentError::DuplicateKey(entry.key_id.clone())),
            None => Ok(document),
        }
    }
}

/// As it was published; an admin may have to look at it later.
impl From<&KeyDocument> for ServerKeys {
    fn from(document: &KeyDocument) -> Self {
        let rotation = |statement: &Statement| Rotation {
            key: (&statement.entry).into(),
            signed_by: statement.signed_by.as_str().to_owned(),
            signature: Base64::from(&statement.signature[..]),
        };
        let revocation = |revoked: &Revoked| Revocation {
            key_id: revoked.key_id.clone(),
            revoked_at: revoked.revoked_at,
            signature: Base64::from(&revoked.signature[..]),
        };
        Self {
            keys: document.keys.iter().map(FederationKey::from).collect(),
            rotations: document.statements.iter().map(rotation).collect(),
            revocations: document.revocations.iter().map(revocation).collect(),
            recovery_key: document.recovery_key.as_ref().map(|key| Base64::from(&key[..])),
        }
    }
}

impl From<&Entry> for FederationKey {
    fn from(entry: &Entry) -> Self {
        Self {
            key_id: entry.key_id.clone(),
            algorithm: FederationAlgorithm::Ed25519,
            public_key: Base64::from(&entry.public_key[..]),
            valid_from: entry.valid_from,
            valid_until: entry.valid_until,
        }
    }
}

impl TryFrom<FederationKey> for Entry {
    type Error = DocumentError;

    fn try_from(key: FederationKey) -> Result<Self, DocumentError> {
        let key_id = key_id(key.key_id)?;
        if key.valid_until < key.valid_from {
            return Err(DocumentError::Validity(key_id));
        }
        let public_key = public_key(&key_id, &key.public_key)?;
        Ok(Self { key_id, public_key, valid_from: key.valid_from, valid_until: key.valid_until })
    }
}

impl TryFrom<Rotation> for Statement {
    type Error = DocumentError;

    fn try_from(rotation: Rotation) -> Result<Self, DocumentError> {
        let entry = Entry::try_from(rotation.key)?;
        let signed_by = match rotation.signed_by {
            by if by == SIGNED_BY_RECOVERY => Signer::Recovery,
            by => Signer::Key(key_id(by)?),
        };
        let signature = signature(&entry.key_id, &rotation.signature)?;
        Ok(Self { entry, signed_by, signature })
    }
}

impl TryFrom<Revocation> for Revoked {
    type Error = DocumentError;

    fn try_from(revocation: Revocation) -> Result<Self, DocumentError> {
        let key_id = key_id(revocation.key_id)?;
        let signature = signature(&key_id, &revocation.signature)?;
        Ok(Self { key_id, revoked_at: revocation.revoked_at, signature })
    }
}

impl Signer {
    /// As it stands in a statement.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(id) => id,
            Self::Recovery => SIGNED_BY_RECOVERY,
        }
    }
}

/// An id stands in lines that are signed and in headers, so that it can hold neither a line break nor a quote.
fn key_id(id: String) -> Result<String, DocumentError> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let known = (1..=64).contains(&id.len()) && id.bytes().all(usable) && id != SIGNED_BY_RECOVERY;
    if known { Ok(id) } else { Err(DocumentError::KeyId) }
}

fn public_key(key_id: &str, key: &Base64) -> Result<[u8; 32], DocumentError> {
    let wrong = || DocumentError::PublicKey(key_id.to_owned());
    let bytes: [u8; 32] = key.0.as_slice().try_into().map_err(|_| wrong())?;
    let point = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())?;
    if point.is_weak() { Err(wrong()) } else { Ok(bytes) }
}

fn signature(key_id: &str, signature: &Base64) -> Result<[u8; 64], DocumentError> {
    signature.0.as_slice().try_into().map_err(|_| DocumentError::Signature(key_id.to_owned()))
}

fn at_most(most: usize, count: usize, what: &'static str) -> Result<(), DocumentError> {
    if count > most { Err(DocumentError::TooMany(what)) } else { Ok(()) }
}
