//! Failures as a shell sees them: a sentence, a stable code, an exit code, and what to do.

use client_core::{Closed, Error, SignalError, StorageError, WrappedBy, wire::Code};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// There is no account to do it with.
    #[error("there is no account on this computer yet")]
    NoAccount,
    /// Nobody has that petname, and no account can have that name.
    #[error(
        "you call nobody \"{0}\", and it is no account's name either: that has 1 to 64 characters of a-z, 0-9, '.', '_' \
         and '-'"
    )]
    Nobody(String),
    /// More than one can be meant.
    #[error("\"{text}\" can be {meant}: write the address")]
    Ambiguous { text: String, meant: String },
    /// The library says no.
    #[error(transparent)]
    Client(#[from] Error),
    /// The connection ended for good.
    #[error("{0}")]
    Closed(Closed),
    /// A sent message never will be received.
    #[error("the message is undeliverable: {}", why(*.0))]
    Undeliverable(Option<Code>),
    /// Nothing happened in time.
    #[error("{0}")]
    Timeout(String),
    /// A message waits here for the homeserver.
    #[error("{0}; the message is kept and goes out with the next connection")]
    Kept(Error),
    /// The safety numbers are not the same.
    #[error(
        "the safety number is NOT the same: one of you has another key than the other believes. Somebody may be between \
         you: send nothing that matters, and accept no key"
    )]
    NotTheSame,
    /// A file, or the terminal.
    #[error("{0}")]
    Io(String),
    /// Nobody reads on.
    #[error("the output is closed")]
    PipeClosed,
}

impl Failure {
    /// What the process ends with; documented in `--help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::NoAccount | Self::Nobody(_) | Self::Ambiguous { .. } => 2,
            Self::Client(error) | Self::Kept(error) | Self::Closed(Closed::Error(error)) => client(error).1,
            Self::Closed(Closed::Code(Closed::SESSION_ENDED, _)) => 3,
            Self::Closed(Closed::Code(..)) | Self::Undeliverable(_) | Self::NotTheSame => 5,
            Self::Timeout(_) => 7,
            Self::Io(_) | Self::PipeClosed => 1,
        }
    }

    /// A stable word for a program.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::NoAccount => "usage",
            Self::Nobody(_) => "invalid_name",
            Self::Ambiguous { .. } => "ambiguous_name",
            Self::Client(error) | Self::Kept(error) | Self::Closed(Closed::Error(error)) => client(error).0,
            Self::Closed(Closed::Code(Closed::SESSION_ENDED, _)) => "session_ended",
            Self::Closed(Closed::Code(..)) => "closed",
            Self::Undeliverable(_) => "undeliverable",
            Self::Timeout(_) => "timeout",
            Self::NotTheSame => "safety_number_differs",
            Self::Io(_) | Self::PipeClosed => "io",
        }
    }

    /// What to type next, where that is one thing.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoAccount => Some("missive register, or missive login".into()),
            Self::Nobody(_) => Some("missive contacts".into()),
            Self::Kept(error) => hint(error).filter(|_| !matches!(error, Error::Unreachable(_))),
            Self::Client(error) | Self::Closed(Closed::Error(error)) => hint(error),
            Self::Closed(Closed::Code(Closed::SESSION_ENDED, _)) => Some("missive login".into()),
            Self::Closed(Closed::Code(Closed::ELSEWHERE, _)) => {
                Some("end the other one: a device connects once".into())
            }
            _ => None,
        }
    }
}

/// Why a message never will be received, and what that means.
pub(crate) fn why(code: Option<Code>) -> String {
    let Some(code) = code else { return "the homeserver gives no reason".to_owned() };
    let means = match code {
        Code::ReceiverGone | Code::NotFound => "there is no such account any more",
        Code::Expired => "nobody fetched it in time",
        Code::Undecryptable => "their device cannot read it; send it again",
        Code::Refused => "their device refuses it",
        Code::UnknownServer => "their homeserver cannot be reached from here",
        _ => "the homeserver refuses it",
    };
    format!("{means} ({})", code.as_str())
}

pub(crate) fn client(error: &Error) -> (&'static str, u8) {
    match error {
        Error::WrongCredentials => ("wrong_credentials", 3),
        Error::SecondFactorNeeded => ("totp_required", 3),
        Error::SessionEnded => ("session_ended", 3),
        Error::AccountRevoked => ("account_revoked", 3),
        Error::IdentityReplaced => ("identity_replaced", 3),
        Error::Unreachable(_) => ("unreachable", 4),
        Error::PeerUnreachable { .. } => ("unknown_server", 4),
        Error::UnexpectedAnswer(_) => ("unexpected_answer", 1),
        Error::NameTaken => ("name_taken", 5),
        Error::RateLimited { .. } => ("rate_limited", 5),
        Error::Refused { code, .. } => (code.as_str(), 5),
        Error::UnknownReceiver(_) => ("unknown_receiver", 5),
        Error::UnknownIdentity(_) => ("unknown_identity", 5),
        Error::OwnAddress => ("own_address", 5),
        Error::Blocked(_) => ("blocked", 5),
        Error::AlreadyHere(_) => ("already_here", 6),
        Error::OtherAccount(_) => ("other_account", 6),
        Error::TooLarge => ("too_large", 5),
        Error::OwnerFailed(_) => ("owner_failed", 6),
        Error::OwnerGone => ("owner_gone", 6),
        Error::NotTaken => ("not_taken", 7),
        Error::Signal(SignalError::Storage(error)) | Error::Storage(error) => (storage(error), 6),
        Error::Signal(SignalError::IdentityChanged(_)) | Error::OtherIdentity(_) => ("identity_changed", 5),
        Error::Signal(_) => ("signal", 5),
        Error::InvalidServer(_) => ("invalid_server", 2),
        Error::InvalidName(_) => ("invalid_name", 2),
        Error::InvalidPetname => ("invalid_petname", 2),
        _ => ("other", 1),
    }
}

fn storage(error: &StorageError) -> &'static str {
    match error {
        StorageError::Locked { .. } => "locked",
        StorageError::WrongKey | StorageError::OtherLock(_) | StorageError::MayBeHere(_) => "wrong_key",
        _ => "storage",
    }
}

fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::WrongCredentials => "the same again: mind the name, --server and the password".into(),
        Error::UnexpectedAnswer(_) => {
            "see that --server is a Missive homeserver; a newer one wants a newer missive".into()
        }
        Error::TooLarge => "send it in parts".into(),
        Error::OwnerFailed(_) => "the same again when that process has ended".into(),
        Error::Signal(SignalError::BadBundle { .. }) => {
            "again later: their homeserver or their client is at fault".into()
        }
        Error::SessionEnded | Error::Signal(SignalError::NotInstalled) => "missive login".into(),
        Error::SecondFactorNeeded => "the same again with --totp CODE".into(),
        Error::IdentityReplaced => "missive identity --start-over".into(),
        Error::AccountRevoked => "ask whoever runs the homeserver".into(),
        Error::Unreachable(_) => "missive status, once the network or the homeserver is back".into(),
        Error::PeerUnreachable { .. } => "again later: their homeserver, or the way to it, is at fault".into(),
        Error::UnknownReceiver(address) => format!("missive search {}", address.name),
        Error::UnknownIdentity(address) | Error::OtherIdentity(address) => format!("missive safety-number {address}"),
        Error::Blocked(address) => format!("missive contacts unblock {address}"),
        Error::AlreadyHere(address) => format!("missive login {}", address.name),
        Error::Signal(SignalError::IdentityChanged(address)) => {
            format!("missive safety-number {address}, and again with --accept when it is the same")
        }
        Error::Signal(SignalError::Storage(error)) | Error::Storage(error) => return storage_hint(error),
        Error::Refused { code: Code::RegistrationClosed, .. } => "another homeserver, or ask whoever runs it".into(),
        Error::Refused { code: Code::InviteRequired, .. } => "the same again with --invite TOKEN".into(),
        _ => return None,
    })
}

fn storage_hint(error: &StorageError) -> Option<String> {
    Some(match error {
        StorageError::NoSuchAccount => "missive accounts".into(),
        StorageError::OtherLock(WrappedBy::Key) => "the same again with --key-file FILE".into(),
        StorageError::OtherLock(WrappedBy::Passphrase) => "the same again without --key-file".into(),
        StorageError::OtherLock(WrappedBy::Keyring) => "the same again without --key-file or --passphrase-file".into(),
        StorageError::WrongKey => "the passphrase or --key-file that it was made with".into(),
        StorageError::Keyring(_) => "unlock the keyring, or use --passphrase-file or --key-file".into(),
        StorageError::Newer => "the newest missive".into(),
        StorageError::Damaged(_) => "another --home, and missive login --start-over there".into(),
        StorageError::Io(_) => "see that the disk has room, and that --home may be written to".into(),
        _ => return None,
    })
}
