//! Why another server was not found, believed or called: a stable code, and a sentence that says what to do.

use missive_wire::{Code, ServerName};

use crate::{
    error::{Error, StoreError},
    peers::{
        discovery::{Failed, Reason},
        outbound::{CallError, TlsProblem},
        policy::Denied,
        signature::SignatureError,
        trust::{FirstKeysError, KeyError},
    },
};

/// Seconds after which what passes may be tried again, where nothing else is known: a server is not asked more often.
const SOON: u64 = 15;

/// Why another server was not found, believed or called.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// This server does not federate.
    #[error("{}: the admin of this homeserver would have to set it to true", Denied::Disabled)]
    Disabled,
    /// It was not found, or is not spoken to.
    #[error(transparent)]
    NotFound(#[from] Failed),
    /// It was never met, and the keys that it shows cannot be pinned.
    #[error("the keys of {server} cannot be trusted: {error}; its admin must mend what it publishes")]
    FirstKeys {
        /// Which.
        server: ServerName,
        /// What is wrong with them.
        error: FirstKeysError,
    },
    /// It did not answer, or what came is no answer of its own.
    #[error("{server} gave no answer that counts: {error}")]
    Call {
        /// Which.
        server: ServerName,
        /// Why.
        error: CallError,
    },
    /// What it signed does not count.
    #[error("what {server} signed with the key {key_id:?} does not count: {error}")]
    Key {
        /// Which.
        server: ServerName,
        /// The key that it named.
        key_id: String,
        /// Why.
        error: KeyError,
    },
    /// This server has no key that is valid now.
    #[error(
        "this homeserver has no valid key to sign with: its admin must make one with `missivectl federation key rotate`"
    )]
    NoSigningKey,
    /// The operating system gave no random bytes.
    #[error("this homeserver's operating system gives no random bytes")]
    NoRandomness,
    /// The request has what no signature can cover.
    #[error("the request cannot be signed: {0}")]
    Unsignable(#[from] SignatureError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PeerError {
    /// A stable code for logs, metrics and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "federation_disabled",
            Self::NotFound(failed) => found(&failed.reason),
            Self::FirstKeys { error: FirstKeysError::NoKeys, .. } => "no_keys",
            Self::FirstKeys { error: FirstKeysError::Contradiction(_), .. } => "contradictory_keys",
            Self::FirstKeys { error: FirstKeysError::TooMany { .. }, .. } => "too_many_keys",
            Self::Call { error, .. } => called(error),
            Self::Key { error, .. } => match error {
                KeyError::Unknown => "unknown_key",
                KeyError::NotYetValid => "key_not_yet_valid",
                KeyError::Ended => "key_ended",
                KeyError::Revoked => "key_revoked",
            },
            Self::NoSigningKey => "no_signing_key",
            Self::NoRandomness => "no_randomness",
            Self::Unsignable(_) => "unsignable",
            Self::Store(_) => "database",
        }
    }

    /// Whether trying again later may help, though no admin changes anything that is written down somewhere.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotFound(failed) => passes(&failed.reason),
            Self::Call { error, .. } => !matches!(error, CallError::Url(_)),
            Self::Key { error, .. } => matches!(error, KeyError::Unknown | KeyError::NotYetValid),
            Self::NoSigningKey | Self::NoRandomness | Self::Store(_) => true,
            Self::Disabled | Self::FirstKeys { .. } | Self::Unsignable(_) => false,
        }
    }

    /// Whether the request may have been done, and the answer was lost on its way or is none that counts.
    pub(in crate::service) fn is_lost_answer(&self) -> bool {
        match self {
            Self::Call { error, .. } => {
                matches!(error, CallError::Timeout { .. } | CallError::Broken(_) | CallError::Unverified { .. })
            }
            Self::Key { .. } => true,
            _ => false,
        }
    }

    /// Whether the server could not be asked what it publishes; it may be known all the same. Not where it is not spoken
    /// to.
    pub(super) fn is_about_finding(&self) -> bool {
        matches!(self, Self::NotFound(failed) if !matches!(failed.reason, Reason::Denied(_)))
    }

    /// Whether what the server publishes could not be fetched. How that went is for this server's admin alone.
    pub fn is_about_fetching(&self) -> bool {
        let fetching =
            |reason: &Reason| matches!(reason, Reason::Call { .. } | Reason::Status { .. } | Reason::Malformed { .. });
        matches!(self, Self::NotFound(failed) if fetching(&failed.reason))
    }

    fn retry_after(&self) -> Option<u64> {
        let told = match self {
            Self::NotFound(Failed { reason: Reason::Budget { seconds }, .. }) => Some(*seconds),
            Self::NotFound(failed) => failed.retry_after,
            _ => None,
        };
        self.is_passing().then(|| told.unwrap_or(SOON))
    }
}

impl From<PeerError> for Error {
    fn from(error: PeerError) -> Self {
        if let PeerError::Store(error) = error {
            return error.into();
        }
        let mut told = Self::new(Code::UnknownServer, error.told());
        told.details.retry_after = error.retry_after();
        told
    }
}

fn found(reason: &Reason) -> &'static str {
    match reason {
        Reason::Denied(Denied::Disabled) => "federation_disabled",
        Reason::Denied(Denied::Own) => "own_server",
        Reason::Denied(Denied::Denied) => "denied",
        Reason::Denied(Denied::NotAllowed) => "not_allowed",
        Reason::Call { error, .. } => called(error),
        other => other.code(),
    }
}

fn called(error: &CallError) -> &'static str {
    match error {
        CallError::Tls(TlsProblem::Expired) => "tls_expired",
        CallError::Tls(TlsProblem::NotYetValid) => "tls_not_yet_valid",
        CallError::Tls(TlsProblem::OtherName) => "tls_other_name",
        CallError::Tls(TlsProblem::UnknownIssuer) => "tls_unknown_issuer",
        CallError::Tls(TlsProblem::Other(_)) => "tls",
        CallError::Unverified { error, .. } => error.code(),
        other => other.code(),
    }
}

/// A server that does not answer, or whose clock is wrong, may do better later; one that publishes something wrong does so
/// until its admin mends it.
fn passes(reason: &Reason) -> bool {
    match reason {
        Reason::Call { error, .. } => !matches!(
            error,
            CallError::Name(_) | CallError::Refused(_) | CallError::Redirect { .. } | CallError::Url(_)
        ),
        Reason::Status { status, .. } => matches!(status, 408 | 429 | 500..),
        Reason::Clock { .. } | Reason::Budget { .. } | Reason::Busy | Reason::Early => true,
        Reason::Denied(_)
        | Reason::Malformed { .. }
        | Reason::WrongServerName { .. }
        | Reason::Version { .. }
        | Reason::BaseUrl { .. }
        | Reason::Keys(_)
        | Reason::NoKeys
        | Reason::KeysEnded { .. } => false,
    }
}
