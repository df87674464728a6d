//! Signed requests.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;
use http::{HeaderMap, Method};
use missive_wire::{ServerName, Timestamp};
use sfv::key_ref;

use super::{
    ALGORITHM, BodyDigest, Component, Input, LIFETIME_SECONDS, Message, RequestHead, SKEW_SECONDS, SignatureError, TAG,
    input::{integer, parameters, string},
    structured::field,
    tagged::{self, Tagged},
};

/// What every request's signature covers, in the order of our own.
const COVERED: [&str; 6] =
    ["@method", "@target-uri", "content-digest", "content-type", "missive-origin", "missive-destination"];

/// A request to another homeserver, to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its method.
    pub method: &'a Method,
    /// This server.
    pub origin: &'a ServerName,
    /// The other.
    pub destination: &'a ServerName,
    /// From `/federation/v1` on; percent-encoded where a URL must be.
    pub path_and_query: &'a str,
    /// JSON, or nothing.
    pub body: &'a [u8],
}

/// A request that was signed. Its answer is verified against it.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    /// Its method.
    pub method: Method,
    /// Whom it is for.
    pub destination: ServerName,
    /// From `/federation/v1` on.
    pub path_and_query: String,
    /// All headers that must be sent.
    pub headers: HeaderMap,
}

/// What an incoming request says of itself. Nothing of it is true before [`RequestClaim::verify`].
#[derive(Debug, Clone)]
pub struct RequestClaim {
    tagged: Tagged,
    verified: VerifiedRequest,
}

/// A request whose headers are signed by its origin's key. Its nonce must still be new, and its body be compared with
/// `digest`.
#[derive(Debug, Clone)]
pub struct VerifiedRequest {
    /// Who asks.
    pub origin: ServerName,
    /// With which of its keys it signed.
    pub key_id: String,
    /// What makes it unlike any other of that origin; to be remembered for [`super::NONCE_SECONDS`].
    pub nonce: String,
    /// When it was signed, in whole seconds.
    pub created: Timestamp,
    /// From when it counts no more, in whole seconds.
    pub expires: Timestamp,
    /// What its body must be.
    pub digest: BodyDigest,
    /// The label of the signature, which the answer's signature names.
    pub label: String,
}

impl Outgoing<'_> {
    /// Signs the request as of `now`, with the key `key_id` that `sign` holds. Each attempt takes a new nonce.
    pub fn sign(
        &self,
        key_id: &str,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
        now: Timestamp,
        nonce: &[u8; 16],
    ) -> Result<SignedRequest, SignatureError> {
        let mut signed = SignedRequest {
            method: self.method.clone(),
            destination: self.destination.clone(),
            path_and_query: self.path_and_query.to_owned(),
            headers: self.headers()?,
        };
        let created = seconds(now);
        let list = parameters([
            (key_ref("created"), integer("created", created)?),
            (key_ref("expires"), integer("expires", created + LIFETIME_SECONDS)?),
            (key_ref("nonce"), string("nonce", &URL_SAFE_NO_PAD.encode(nonce))?),
            (key_ref("keyid"), string("keyid", key_id)?),
            (key_ref("alg"), string("alg", ALGORITHM)?),
            (key_ref("tag"), string("tag", TAG)?),
        ]);
        let input = Input::new(&COVERED.map(Component::named), list)?;
        let base = input.base(&Message::Request(signed.head()))?;
        tagged::sign(&mut signed.headers, &input, &base, sign)?;
        Ok(signed)
    }

    fn headers(&self) -> Result<HeaderMap, SignatureError> {
        let mut headers = HeaderMap::new();
        tagged::insert(&mut headers, "content-type", "application/json")?;
        tagged::insert(&mut headers, "content-digest", &BodyDigest::of(self.body).header())?;
        tagged::insert(&mut headers, "missive-origin", self.origin.as_str())?;
        tagged::insert(&mut headers, "missive-destination", self.destination.as_str())?;
        Ok(headers)
    }
}

impl SignedRequest {
    /// The request as its answer's signature sees it.
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            server: &self.destination,
            path_and_query: &self.path_and_query,
            headers: &self.headers,
        }
    }
}

impl RequestClaim {
    /// Reads the headers of a request that came at `now`; `head.server` is this server. Checks all that needs no key.
    pub fn read(head: &RequestHead, now: Timestamp) -> Result<Self, SignatureError> {
        let tagged = Tagged::read(&Message::Request(*head))?;
        for name in COVERED {
            tagged.input.must_cover(&Component::named(name))?;
        }
        let (created, expires) = (tagged.input.seconds("created")?, tagged.input.seconds("expires")?);
        let nonce = tagged.input.text("nonce")?.to_owned();
        let key_id = tagged.input.text("keyid")?.to_owned();
        check_times(created, expires, seconds(now))?;
        let origin = field(head.headers, "missive-origin")?.and_then(|name| name.parse().ok());
        let destination = field(head.headers, "missive-destination")?.unwrap_or_default();
        if destination != head.server.as_str() {
            return Err(SignatureError::WrongDestination { named: destination });
        }
        let verified = VerifiedRequest {
            origin: origin.ok_or(SignatureError::InvalidOrigin)?,
            key_id,
            nonce,
            created: Timestamp::from_millis(created.saturating_mul(1_000)),
            expires: Timestamp::from_millis(expires.saturating_mul(1_000)),
            digest: tagged.digest,
            label: tagged.label.clone(),
        };
        Ok(Self { tagged, verified })
    }

    /// Who is said to ask. Whoever looks for its keys does so on an unknown caller's word.
    pub fn origin(&self) -> &ServerName {
        &self.verified.origin
    }

    /// Which of that server's keys is said to have signed.
    pub fn key_id(&self) -> &str {
        &self.verified.key_id
    }

    /// When it is said to have been signed: the key must have been valid then.
    pub fn created(&self) -> Timestamp {
        self.verified.created
    }

    /// Checks the signature with the origin's key of that id.
    pub fn verify(self, key: &VerifyingKey) -> Result<VerifiedRequest, SignatureError> {
        self.tagged.verify(key)?;
        Ok(self.verified)
    }
}

/// Whole seconds since the epoch.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.millis() / 1_000
}

/// Refuses what was created in the future.
pub(super) fn check_created(created: i64, now: i64) -> Result<(), SignatureError> {
    let ahead = created.saturating_sub(now);
    if ahead > SKEW_SECONDS { Err(SignatureError::CreatedInFuture { seconds: ahead }) } else { Ok(()) }
}

fn check_times(created: i64, expires: i64, now: i64) -> Result<(), SignatureError> {
    let lifetime = expires.saturating_sub(created);
    if !(1..=LIFETIME_SECONDS).contains(&lifetime) {
        return Err(SignatureError::InvalidLifetime);
    }
    check_created(created, now)?;
    if expires < now { Err(SignatureError::Expired { seconds: now.saturating_sub(expires) }) } else { Ok(()) }
}
