use super::{COVERED_MEMBERS_MAX, HEADER_MAX_BYTES, LIFETIME_SECONDS, MEMBERS_MAX, PARAMETER_MAX, SKEW_SECONDS};

/// The most characters of what another has sent that a text repeats.
const QUOTED_MAX: usize = 100;

/// Why a request or an answer does not count as signed. The text is for the admin of either server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `Signature-Input`.
    #[error("the message is not signed")]
    Unsigned,
    /// No signature bears the tag.
    #[error("no signature has the tag missive-federation")]
    NotTagged,
    /// More than one bears it.
    #[error("more than one signature has the tag missive-federation")]
    SeveralTagged,
    /// Two signatures have one label, so that it is not clear which `Signature` is whose.
    #[error("two members of {header} are called {:?}", short(label))]
    DuplicateLabel {
        /// The header.
        header: &'static str,
        /// The label.
        label: String,
    },
    /// A header is no structured field of its type (RFC 9651).
    #[error("the header {0} cannot be read")]
    Malformed(&'static str),
    /// A signature header is longer than [`HEADER_MAX_BYTES`].
    #[error("the header {0} is longer than {HEADER_MAX_BYTES} bytes")]
    TooLarge(&'static str),
    /// More than [`MEMBERS_MAX`] signatures or components.
    #[error("the header {0} has more than {MEMBERS_MAX} members")]
    TooMany(&'static str),
    /// `Signature` has no 64 bytes under the label.
    #[error("there is no signature of 64 bytes called {:?}", short(.0))]
    NoSignature(String),
    /// More than [`COVERED_MEMBERS_MAX`] of the covered components are members of dictionaries.
    #[error("the signature covers more than {COVERED_MEMBERS_MAX} members of headers")]
    TooManyCoveredMembers,
    /// A component is a member of a header that is longer than [`HEADER_MAX_BYTES`].
    #[error("the signature covers {}, a member of a header longer than {HEADER_MAX_BYTES} bytes", short(.0))]
    LargeComponent(String),
    /// A component that must be covered is not.
    #[error("the signature does not cover {}", short(.0))]
    MissingComponent(String),
    /// A covered component is of a kind that is not supported here.
    #[error("the signature covers {}, which is not supported", short(.0))]
    UnsupportedComponent(String),
    /// A component is covered twice (RFC 9421 section 2.5).
    #[error("the signature covers {} twice", short(.0))]
    DuplicateComponent(String),
    /// A covered header, or member of one, is not in the message.
    #[error("the signature covers {}, which the message does not have", short(.0))]
    Absent(String),
    /// A covered value is not of printable ASCII characters.
    #[error("the value of {} cannot be signed: it is not printable ASCII", short(.0))]
    Unprintable(String),
    /// A parameter that must be there is not.
    #[error("the signature has no parameter {0}")]
    MissingParameter(&'static str),
    /// A parameter is of the wrong type, empty, or longer than [`PARAMETER_MAX`].
    #[error("the signature's parameter {0} is of the wrong type, empty, or longer than {PARAMETER_MAX} characters")]
    InvalidParameter(&'static str),
    /// `alg` is not `ed25519`.
    #[error("the signature's algorithm is {:?}, not ed25519", short(.0))]
    WrongAlgorithm(String),
    /// `created` lies too far ahead of our clock.
    #[error(
        "the signature was created {seconds} s in the future (more than {SKEW_SECONDS}): check both servers' clocks"
    )]
    CreatedInFuture {
        /// How far ahead.
        seconds: i64,
    },
    /// `expires` has passed.
    #[error("the signature expired {seconds} s ago: check both servers' clocks")]
    Expired {
        /// How long ago.
        seconds: i64,
    },
    /// `expires` is more than [`LIFETIME_SECONDS`] after `created`, or not after it.
    #[error("the signature's expires is not within {LIFETIME_SECONDS} s after its created")]
    InvalidLifetime,
    /// `missive-origin` is no server name.
    #[error("missive-origin is not one server name")]
    InvalidOrigin,
    /// `missive-destination` is not this server.
    #[error("the request is for {:?}, not for this server", short(named))]
    WrongDestination {
        /// Whom it is for.
        named: String,
    },
    /// `Content-Digest` has no SHA-256.
    #[error("content-digest has no sha-256 of 32 bytes")]
    NoDigest,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed")]
    WrongBody,
    /// The signature is not one of this key over this message.
    #[error("the signature does not fit the message and the key")]
    WrongSignature,
    /// What was to be signed cannot stand in a header.
    #[error("{0} cannot stand in a header")]
    Unsignable(&'static str),
}

impl SignatureError {
    /// A stable code for logs, metrics and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::NotTagged => "not_tagged",
            Self::SeveralTagged => "several_tagged",
            Self::DuplicateLabel { .. } => "duplicate_label",
            Self::Malformed(_) => "malformed_signature",
            Self::TooLarge(_) | Self::TooMany(_) | Self::TooManyCoveredMembers | Self::LargeComponent(_) => {
                "signature_too_large"
            }
            Self::NoSignature(_) => "no_signature",
            Self::MissingComponent(_) => "missing_component",
            Self::UnsupportedComponent(_) => "unsupported_component",
            Self::DuplicateComponent(_) => "duplicate_component",
            Self::Absent(_) => "absent_component",
            Self::Unprintable(_) => "unprintable_component",
            Self::MissingParameter(_) => "missing_parameter",
            Self::InvalidParameter(_) => "invalid_parameter",
            Self::WrongAlgorithm(_) => "wrong_algorithm",
            Self::CreatedInFuture { .. } => "clock_skew",
            Self::Expired { .. } => "signature_expired",
            Self::InvalidLifetime => "invalid_lifetime",
            Self::InvalidOrigin => "invalid_origin",
            Self::WrongDestination { .. } => "wrong_destination",
            Self::NoDigest => "no_digest",
            Self::WrongBody => "wrong_body",
            Self::WrongSignature => "wrong_signature",
            Self::Unsignable(_) => "unsignable",
        }
    }
}

/// Enough of a text to know it by.
fn short(text: &str) -> &str {
    let end = text.char_indices().nth(QUOTED_MAX).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}
