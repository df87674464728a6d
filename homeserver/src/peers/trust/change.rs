/// What a document says and nothing explains. The texts are for an admin, who may accept it after asking the other
/// server's admin in another way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Change {
    /// A key that no trusted key vouches for.
    #[error("key {key_id} is new, and no trusted key vouches for it")]
    UnknownKey {
        /// Which.
        key_id: String,
    },
    /// Another key under a known id.
    #[error("key {key_id} is another key than before")]
    OtherKey {
        /// Which.
        key_id: String,
    },
    /// A key ends later than was signed.
    #[error("key {key_id} ends later than it said before")]
    Prolonged {
        /// Which.
        key_id: String,
    },
    /// A second key after one that has named another.
    #[error("key {signed_by} vouches for {key_id}, but for another key too")]
    SecondSuccessor {
        /// The signer.
        signed_by: String,
        /// The key that is not trusted.
        key_id: String,
    },
    /// A statement whose signature is wrong.
    #[error("the statement of {signed_by} for key {key_id} is not signed by it")]
    WrongSignature {
        /// The signer's id, or `recovery`.
        signed_by: String,
        /// The key that is not trusted.
        key_id: String,
    },
    /// A statement for a key that begins when its signer was not valid.
    #[error("key {signed_by} vouches for {key_id}, which begins when {signed_by} was not valid")]
    SignerNotValid {
        /// The signer.
        signed_by: String,
        /// The key that is not trusted.
        key_id: String,
    },
    /// A revocation that the pinned recovery key did not sign.
    #[error("key {key_id} is said to be revoked, but the recovery key known here did not sign that")]
    UnprovenRevocation {
        /// Which.
        key_id: String,
    },
    /// A statement by a recovery key where none is pinned.
    #[error("a recovery key vouches for {key_id}, but none was known of that server when it was first met")]
    UnknownRecoveryKey {
        /// The key that is not trusted.
        key_id: String,
    },
    /// A recovery key where there was none.
    #[error("the server has a recovery key now, and had none when it was first met")]
    RecoveryKeyAdded,
    /// Another recovery key.
    #[error("the server's recovery key is another than before")]
    RecoveryKeyChanged,
    /// Two keys that the recovery key put in place at the same moment.
    #[error("the recovery key vouches for {key_id}, and for another key with the same validFrom")]
    SecondRecovery {
        /// The key that is not trusted.
        key_id: String,
    },
    /// More keys than are remembered.
    #[error("the server has had too many keys")]
    TooManyKeys,
}

/// The most changes that a text names.
const NAMED_MAX: usize = 8;

pub(super) fn list(changes: &[Change]) -> String {
    let mut texts: Vec<String> = changes.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if changes.len() > NAMED_MAX {
        texts.push(format!("and {} more", changes.len() - NAMED_MAX));
    }
    texts.join("; ")
}
