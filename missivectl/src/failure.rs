//! Why a command did not do it: a sentence for a person, a code for a program, an exit code for a shell.

use std::{fmt::Display, process::ExitCode};

use homeserver::{
    app::StartError,
    config::ConfigError,
    error::{Error, StoreError},
    store::OpenError,
};
use missive_wire::Code;
use serde::Serialize;

/// Why a command did not do it.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    #[serde(rename = "error")]
    message: String,
    code: Kind,
}

/// The kinds of failure, as `code` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Something else.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// No such account.
    NotFound,
    /// There is no database, or it does not answer.
    DatabaseUnavailable,
    /// The database lacks migrations.
    NotMigrated,
    /// No homeserver has run on the database yet.
    NotInitialised,
    /// Health: something is wrong.
    Unhealthy,
}

impl Failure {
    pub(crate) fn new(code: Kind, message: impl Display) -> Self {
        Self { message: message.to_string(), code }
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn not_found(message: impl Display) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The exit codes of `missivectl --help`.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.code {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::DatabaseUnavailable | Kind::NotMigrated | Kind::NotInitialised => 4,
            Kind::Unhealthy => 5,
        })
    }

    /// Tells it on standard error.
    pub(crate) fn print(&self, json: bool) {
        if json && let Ok(text) = serde_json::to_string(self) {
            eprintln!("{text}");
        } else {
            eprintln!("missivectl: {}", self.message);
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Connect { .. } => Kind::DatabaseUnavailable,
            OpenError::Pending(_) => Kind::NotMigrated,
            OpenError::Migrate(_) | OpenError::Newer(_) => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::DatabaseUnavailable, error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Open(error) => error.into(),
            StartError::Store(error) => error.into(),
            StartError::MasterKey(_) => Self::new(Kind::Failed, error),
            StartError::OtherName { .. } | StartError::Peers(_) => Self::usage(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.code {
            Code::NotFound => Kind::NotFound,
            Code::Malformed => Kind::Usage,
            Code::Unavailable => Kind::DatabaseUnavailable,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
