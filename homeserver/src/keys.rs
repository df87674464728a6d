//! The server's own secrets: the master key in its file, and what is derived from it or sealed by it.

pub mod federation;
mod master;
mod tokens;

pub use master::{MasterKey, MasterKeyError};
pub use tokens::{ACCESS_SECONDS, AccessClaims, REFRESH_SECONDS, RefreshClaims, TokenError, TokenKeys};
