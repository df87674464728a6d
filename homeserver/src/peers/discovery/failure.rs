//! Why a server was not found: a stable code, and a sentence for an admin that says what to do.

use std::fmt;

use missive_wire::{ServerName, Timestamp};

use crate::peers::{
    outbound::{CallError, InvalidBaseUrl},
    policy::Denied,
    trust::DocumentError,
};

/// A server was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which.
    pub server: ServerName,
    /// Why.
    pub reason: Reason,
    /// The reason is from an earlier question, and so many seconds must pass before the next.
    pub retry_after: Option<u64>,
}

/// Why a server was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The configuration says not to speak to it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It could not be called: name, address, connection, TLS, time, size, redirect.
    #[error("{url} cannot be fetched: {error}")]
    Call {
        /// What was called.
        url: String,
        /// Why.
        error: CallError,
    },
    /// The answer is not 200.
    #[error("{url} answers with status {status}: a homeserver, or a static file, must answer there")]
    Status {
        /// What was called.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer is not the document that it should be.
    #[error("{url} does not have the form of the protocol: {why}")]
    Malformed {
        /// What was called.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The document is another server's.
    #[error("its document says that it is {named}: serverName there must be the name that is asked for")]
    WrongServerName {
        /// The name in the document.
        named: ServerName,
    },
    /// No common version of the protocol.
    #[error("it speaks the versions {theirs:?} of the protocol, and this server speaks 1: one of them must be updated")]
    Version {
        /// Its versions.
        theirs: Vec<String>,
    },
    /// The document's `baseUrl` cannot be called.
    #[error("its baseUrl {url:?} cannot be used: {error}")]
    BaseUrl {
        /// As it stands in the document.
        url: String,
        /// What is wrong with it.
        error: InvalidBaseUrl,
    },
    /// The keys cannot be used.
    #[error("its keys cannot be used: {0}")]
    Keys(#[from] DocumentError),
    /// It publishes no keys.
    #[error("it publishes no keys")]
    NoKeys,
    /// All keys begin in the future.
    #[error("its keys become valid only at {valid_from}: check the clocks of both servers")]
    Clock {
        /// When the first does.
        valid_from: Timestamp,
    },
    /// All keys have ended.
    #[error("its last key ended at {valid_until}: it must publish a new one; check the clocks of both servers too")]
    KeysEnded {
        /// When the last did.
        valid_until: Timestamp,
    },
    /// The asker has had too many servers asked.
    #[error("too many unknown servers were named from there; again in {seconds} s")]
    Budget {
        /// When it may again.
        seconds: u64,
    },
    /// Too many servers are being asked.
    #[error("too many unknown servers are being looked for; again in a moment")]
    Busy,
    /// It was asked a moment ago.
    #[error("it was asked a moment ago")]
    Early,
}

impl Failed {
    pub(super) fn now(server: &ServerName, reason: Reason) -> Self {
        Self { server: server.clone(), reason, retry_after: None }
    }

    /// Whether nothing was tried, because the last question is too recent.
    pub(super) fn is_early(&self) -> bool {
        self.retry_after.is_some()
    }
}

impl Reason {
    /// A stable code for logs, metrics and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Call { error, .. } => error.code(),
            Self::Status { .. } => "status",
            Self::Malformed { .. } => "malformed_document",
            Self::WrongServerName { .. } => "wrong_server_name",
            Self::Version { .. } => "version",
            Self::BaseUrl { .. } => "base_url",
            Self::Keys(_) => "invalid_keys",
            Self::NoKeys => "no_keys",
            Self::Clock { .. } => "clock",
            Self::KeysEnded { .. } => "keys_ended",
            Self::Budget { .. } => "budget",
            Self::Busy => "busy",
            Self::Early => "early",
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server {} was not found: {}", self.server, self.reason)?;
        match self.retry_after {
            Some(seconds) => write!(f, " (it is asked again in {seconds} s at the earliest)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failed {}
