//! What users are told where another server is not reached.

use super::PeerError;
use crate::peers::{
    discovery::{Failed, Reason},
    outbound::{CallError, TlsProblem},
};

impl PeerError {
    /// What a user may read: not where inside our network a name or an entry of `federation.resolve` leads, nor what is
    /// said there.
    pub(super) fn told(&self) -> String {
        match self {
            Self::NotFound(Failed { server, reason: Reason::Call { error, .. }, .. })
            | Self::Call { server, error } => {
                format!("{server} cannot be reached: {}", plain(error))
            }
            Self::NotFound(Failed { server, reason: Reason::Status { status, .. }, .. }) => {
                format!("{server} cannot be reached: what it should publish is answered with status {status}")
            }
            Self::NotFound(Failed { server, reason: Reason::Malformed { .. }, .. }) => {
                format!("{server} cannot be reached: what it publishes does not have the form of the protocol")
            }
            other => other.to_string(),
        }
    }
}

/// Why a call brought nothing, without addresses and without what was said there.
fn plain(error: &CallError) -> String {
    let text = match error {
        CallError::Name(_) => "its name does not resolve",
        CallError::Refused(_) => "its name leads to an address that is not public",
        CallError::Connect(_) => "nobody answers there",
        CallError::Tls(TlsProblem::Other(_)) => "TLS failed",
        CallError::Redirect { .. } => "it answers with a redirect",
        CallError::Broken(_) => "the connection broke",
        CallError::Url(_) => "where it says that it is cannot be called",
        CallError::Tls(_) | CallError::Timeout { .. } | CallError::TooLarge { .. } | CallError::Unverified { .. } => {
            return error.to_string();
        }
    };
    text.to_owned()
}
