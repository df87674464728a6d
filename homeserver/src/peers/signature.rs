//! HTTP message signatures (RFC 9421, `ed25519`) over requests and answers between homeservers, their bodies bound by
//! `Content-Digest` (RFC 9530, `sha-256`).
//!
//! Everything here is pure: the caller brings headers, body, time, nonce and keys. Reading comes in steps, so that the
//! headers are checked before a byte of the body is read:
//!
//! 1. [`RequestClaim::read`] checks all that needs no key: one tagged signature, its components, parameters and times,
//!    the destination. Now the caller knows whose key to look for.
//! 2. [`RequestClaim::verify`] checks the signature with that key.
//! 3. [`BodyDigest`] compares the body, while it is read or afterwards.
//!
//! Answers go the same way through [`AnswerClaim`].

mod answer;
mod component;
mod digest;
mod error;
mod input;
mod message;
mod request;
mod structured;
mod tagged;

pub use answer::{AnswerClaim, Reply, VerifiedAnswer};
pub use component::Component;
pub use digest::{BodyDigest, BodyHasher};
pub use error::SignatureError;
pub use input::Input;
pub use message::{AnswerHead, Message, RequestHead};
pub use request::{Outgoing, RequestClaim, SignedRequest, VerifiedRequest};

/// The `tag` of the one signature that counts between homeservers.
pub const TAG: &str = "missive-federation";

/// The `alg` of every signature (RFC 9421 section 3.3.6).
pub const ALGORITHM: &str = "ed25519";

/// The label our own signatures have. Any other is understood.
pub const LABEL: &str = "missive";

/// The longest time between `created` and `expires`, in seconds; our own requests use it whole.
pub const LIFETIME_SECONDS: i64 = 300;

/// How far ahead of ours a peer's clock may be, in seconds: a later `created` is refused. How far behind it may be is
/// what is left of `expires` when the request comes.
pub const SKEW_SECONDS: i64 = 60;

/// How long a request's nonce must be remembered after it was created, in seconds: until none of its copies is accepted,
/// also where the clocks of the servers on one database differ by [`SKEW_SECONDS`].
pub const NONCE_SECONDS: i64 = SKEW_SECONDS + LIFETIME_SECONDS;

/// The longest nonce and key id, in characters.
pub const PARAMETER_MAX: usize = 128;

/// The most bytes of a signature header, all its lines together.
pub const HEADER_MAX_BYTES: usize = 8 * 1024;

/// The most signatures a message may bear, and the most components that one may cover.
pub const MEMBERS_MAX: usize = 32;

/// The most components that are members of dictionaries: for each of them a whole header is read.
pub const COVERED_MEMBERS_MAX: usize = 4;
