//! `database_url`: which of the two databases, and where.

use std::{fmt, path::PathBuf, str::FromStr};

use secrecy::SecretString;
use serde::Deserialize;

/// Where the data is. A PostgreSQL URL may hold a password and is never printed.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    /// A file, from `sqlite://path`. The path is taken literally, with no escapes.
    Sqlite(PathBuf),
    /// A server, from `postgres://…`: the whole URL.
    Postgres(SecretString),
}

/// Why a `database_url` was refused; the text says what to write and repeats nothing of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Neither database.
    #[error("write `sqlite://path/to/file.db` or `postgres://user:password@host/database`")]
    Scheme,
    /// A PostgreSQL URL with no host after the scheme.
    #[error("the host is missing: write `postgres://user:password@host/database`")]
    NoHost,
    /// A SQLite URL without a path.
    #[error("the path is missing: write `sqlite://path/to/file.db`")]
    NoPath,
    /// SQLite in memory, which would lose messages that were reported as sent.
    #[error("a database in memory would lose messages: name a file, as in `sqlite://data/homeserver.db`")]
    InMemory,
    /// SQLite options after `?`.
    #[error("a SQLite URL takes no options: write only `sqlite://path/to/file.db`")]
    Options,
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (scheme, rest) = url.split_once(':').ok_or(InvalidDatabaseUrl::Scheme)?;
        match scheme {
            "sqlite" => sqlite_path(rest.strip_prefix("//").unwrap_or(rest)).map(Self::Sqlite),
            "postgres" | "postgresql" => match rest.strip_prefix("//") {
                None => Err(InvalidDatabaseUrl::Scheme),
                Some("") => Err(InvalidDatabaseUrl::NoHost),
                Some(_) => Ok(Self::Postgres(url.into())),
            },
            _ => Err(InvalidDatabaseUrl::Scheme),
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = InvalidDatabaseUrl;

    fn try_from(url: String) -> Result<Self, InvalidDatabaseUrl> {
        url.parse()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://[redacted]"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

fn sqlite_path(path: &str) -> Result<PathBuf, InvalidDatabaseUrl> {
    if path.contains('?') {
        Err(InvalidDatabaseUrl::Options)
    } else if path == ":memory:" {
        Err(InvalidDatabaseUrl::InMemory)
    } else if path.is_empty() {
        Err(InvalidDatabaseUrl::NoPath)
    } else {
        Ok(PathBuf::from(path))
    }
}
