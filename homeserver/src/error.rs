//! The service's one error: a code of the protocol, a sentence for a person, and what is logged but never sent.

use missive_wire::{Code, ErrorBody, ErrorDetails};

/// What a service function returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a service function did not do it.
#[derive(Debug)]
pub struct Error {
    /// The protocol's code; it decides the HTTP status.
    pub code: Code,
    /// A sentence for a person, which says what to do.
    pub message: String,
    /// Details that the code has.
    pub details: Box<ErrorDetails>,
    /// What happened inside; logged, never sent.
    pub source: Option<anyhow::Error>,
}

impl Error {
    /// A failure that the caller can read about.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Box::default(), source: None }
    }

    /// A failure of ours: logged whole, told as a sentence.
    pub fn internal(source: impl Into<anyhow::Error>) -> Self {
        let message = "the server failed; try again later, and tell its admin the request id if it stays so";
        Self { source: Some(source.into()), ..Self::new(Code::Internal, message) }
    }

    /// A failure that passes.
    pub fn temporary(code: Code, message: impl Into<String>, retry_after: u64) -> Self {
        let mut error = Self::new(code, message);
        error.details.retry_after = Some(retry_after);
        error
    }

    /// The body that is sent.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.message.clone(), code: self.code, details: (*self.details).clone() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} ({source:#})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// The database failed: temporary for the caller, an error in the log.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self {
            source: Some(error.into()),
            ..Self::temporary(Code::Unavailable, "the server's database does not answer; try again in a moment", 2)
        }
    }
}

/// A database operation failed, or gave something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct StoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
