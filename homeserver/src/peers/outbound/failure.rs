//! Why a call did not bring an answer, as an admin needs to know it.

use std::{error::Error, io};

use rustls::CertificateError;

use super::{Bounds, CONNECT, InvalidBaseUrl};
use crate::peers::{
    guard::{Refused, ResolveError},
    signature::SignatureError,
};

/// Why a call brought no answer that counts. Each may pass: the caller tries again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The name does not resolve.
    #[error("{0}: check the name, and its DNS")]
    Name(String),
    /// The address may not be connected to.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// Nobody answers there.
    #[error("no connection: {0}; check that the server runs and that no firewall is between")]
    Connect(String),
    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(TlsProblem),
    /// It took too long.
    #[error("no whole answer within {seconds} s")]
    Timeout {
        /// The bound.
        seconds: u64,
    },
    /// The answer is too large.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The answer sends elsewhere, which is never followed.
    #[error("the answer is a redirect ({status} to {location:?}), which is not followed: serve the document itself")]
    Redirect {
        /// Its status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// No HTTP, or a connection that broke.
    #[error("the connection broke, or does not speak HTTP: {0}")]
    Broken(String),
    /// The URL cannot be called.
    #[error(transparent)]
    Url(#[from] InvalidBaseUrl),
    /// The answer is not signed by the server, for this request: it is no answer.
    #[error("the answer (status {status}) does not count: {error}")]
    Unverified {
        /// Its status, which anyone may have said.
        status: u16,
        /// What is wrong with its signature.
        error: SignatureError,
    },
}

/// What is wrong with a server's TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// The certificate is over.
    #[error("its certificate has expired, or this server's clock is ahead")]
    Expired,
    /// The certificate begins later.
    #[error("its certificate is not valid yet, or this server's clock is behind")]
    NotYetValid,
    /// The certificate is for others.
    #[error("its certificate is not for that name")]
    OtherName,
    /// The certificate's authority is not trusted here.
    #[error("the authority of its certificate is not known here; a private one belongs into federation.ca_file")]
    UnknownIssuer,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl CallError {
    /// A stable code for logs, metrics and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Refused(_) => "refused_address",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Redirect { .. } => "redirect",
            Self::Broken(_) => "broken",
            Self::Url(_) => "base_url",
            Self::Unverified { .. } => "unverified",
        }
    }

    /// What a failed request of ours means.
    pub(super) fn of(error: &reqwest::Error, bounds: Bounds) -> Self {
        if let Some(why) = find::<ResolveError>(error) {
            return match why {
                ResolveError::Refused { refused, .. } => Self::Refused(*refused),
                why => Self::Name(why.to_string()),
            };
        }
        if let Some(why) = find::<rustls::Error>(error) {
            return Self::Tls(TlsProblem::of(why));
        }
        if error.is_timeout() {
            let bound = if error.is_connect() { CONNECT.min(bounds.time) } else { bounds.time };
            return Self::Timeout { seconds: bound.as_secs() };
        }
        let innermost = innermost(error).to_string();
        if error.is_connect() { Self::Connect(innermost) } else { Self::Broken(innermost) }
    }
}

impl TlsProblem {
    fn of(error: &rustls::Error) -> Self {
        use CertificateError as Certificate;
        match error {
            rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
                Self::Expired
            }
            rustls::Error::InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => {
                Self::NotYetValid
            }
            rustls::Error::InvalidCertificate(
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
            ) => Self::OtherName,
            rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => Self::UnknownIssuer,
            other => Self::Other(other.to_string()),
        }
    }
}

/// The first error of that type behind an error. What an `io::Error` wraps is not its source, but what it wraps.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = behind(error);
    }
    None
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut last = error;
    while let Some(next) = behind(last) {
        last = next;
    }
    last
}

fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
}
