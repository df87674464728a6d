//! Failures as a shell sees them: a sentence, a stable code, an exit code.

use client_core::{Closed, Error, SignalError, wire::Code};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The library says no.
    #[error(transparent)]
    Client(#[from] Error),
    /// The connection ended for good.
    #[error("{0}")]
    Closed(Closed),
    /// A sent message never will be received.
    #[error("the message is undeliverable ({})", .0.map_or("no reason given", Code::as_str))]
    Undeliverable(Option<Code>),
    /// Nothing happened in time.
    #[error("{0}")]
    Timeout(String),
    /// A message waits here for the homeserver.
    #[error("{0}; the message is kept and goes out with the next connection")]
    Kept(Error),
    /// A file, or the terminal.
    #[error("{0}")]
    Io(String),
}

impl Failure {
    /// What the process ends with; documented in `--help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Client(error) | Self::Kept(error) | Self::Closed(Closed::Error(error)) => client(error).1,
            Self::Closed(Closed::Code(Closed::SESSION_ENDED, _)) => 3,
            Self::Closed(Closed::Code(..)) | Self::Undeliverable(_) => 5,
            Self::Timeout(_) => 7,
            Self::Io(_) => 1,
        }
    }

    /// A stable word for a program.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Client(error) | Self::Kept(error) | Self::Closed(Closed::Error(error)) => client(error).0,
            Self::Closed(Closed::Code(Closed::SESSION_ENDED, _)) => "session_ended",
            Self::Closed(Closed::Code(..)) => "closed",
            Self::Undeliverable(_) => "undeliverable",
            Self::Timeout(_) => "timeout",
            Self::Io(_) => "io",
        }
    }
}

pub(crate) fn client(error: &Error) -> (&'static str, u8) {
    match error {
        Error::WrongCredentials => ("wrong_credentials", 3),
        Error::SecondFactorNeeded => ("totp_required", 3),
        Error::SessionEnded => ("session_ended", 3),
        Error::AccountRevoked => ("account_revoked", 3),
        Error::IdentityReplaced => ("identity_replaced", 3),
        Error::Unreachable(_) => ("unreachable", 4),
        Error::NameTaken => ("name_taken", 5),
        Error::RateLimited { .. } => ("rate_limited", 5),
        Error::Refused { code, .. } => (code.as_str(), 5),
        Error::UnknownReceiver(_) => ("unknown_receiver", 5),
        Error::OwnAddress => ("own_address", 5),
        Error::TooLarge => ("too_large", 5),
        Error::Signal(SignalError::Storage(_)) | Error::Storage(_) => ("storage", 6),
        Error::Signal(SignalError::IdentityChanged(_)) => ("identity_changed", 5),
        Error::Signal(_) => ("signal", 5),
        Error::InvalidServer(_) => ("invalid_server", 2),
        Error::InvalidName(_) => ("invalid_name", 2),
        _ => ("other", 1),
    }
}
