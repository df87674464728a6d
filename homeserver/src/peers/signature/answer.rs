//! Signed answers, each bound to the one request that it answers.

use ed25519_dalek::VerifyingKey;
use http::{HeaderMap, StatusCode};
use missive_wire::Timestamp;
use sfv::key_ref;

use super::{
    ALGORITHM, AnswerHead, BodyDigest, Component, Input, LIFETIME_SECONDS, Message, RequestHead, SignatureError, TAG,
    input::{integer, parameters, string},
    request::{check_created, seconds},
    tagged::{self, Tagged},
};

/// An answer to another homeserver, to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The request, with its headers as they came.
    pub request: RequestHead<'a>,
    /// The label of its signature ([`super::VerifiedRequest::label`]).
    pub label: &'a str,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's body.
    pub body: &'a [u8],
}

/// What an answer says of itself. Nothing of it is true before [`AnswerClaim::verify`].
#[derive(Debug, Clone)]
pub struct AnswerClaim {
    tagged: Tagged,
    verified: VerifiedAnswer,
}

/// An answer whose headers are signed by the destination's key, for this very request. Its body must be compared with
/// `digest`.
#[derive(Debug, Clone)]
pub struct VerifiedAnswer {
    /// With which of its keys the other server signed.
    pub key_id: String,
    /// When it was signed, in whole seconds.
    pub created: Timestamp,
    /// What its body must be.
    pub digest: BodyDigest,
}

impl Reply<'_> {
    /// Signs the answer as of `now`, with the key `key_id` that `sign` holds: the headers to add.
    pub fn sign(
        &self,
        key_id: &str,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
        now: Timestamp,
    ) -> Result<HeaderMap, SignatureError> {
        let mut headers = HeaderMap::new();
        tagged::insert(&mut headers, "content-digest", &BodyDigest::of(self.body).header())?;
        let list = parameters([
            (key_ref("created"), integer("created", seconds(now))?),
            (key_ref("keyid"), string("keyid", key_id)?),
            (key_ref("alg"), string("alg", ALGORITHM)?),
            (key_ref("tag"), string("tag", TAG)?),
        ]);
        let input = Input::new(&covered(self.label), list)?;
        let head = AnswerHead { status: self.status, headers: &headers, request: self.request };
        let base = input.base(&Message::Answer(head))?;
        tagged::sign(&mut headers, &input, &base, sign)?;
        Ok(headers)
    }
}

impl AnswerClaim {
    /// Reads the headers of an answer that came at `now` to a request whose signature has that label. Checks all that
    /// needs no key.
    pub fn read(head: &AnswerHead, label: &str, now: Timestamp) -> Result<Self, SignatureError> {
        let tagged = Tagged::read(&Message::Answer(*head))?;
        for component in covered(label) {
            tagged.input.must_cover(&component)?;
        }
        let created = tagged.input.seconds("created")?;
        check_created(created, seconds(now))?;
        let age = seconds(now).saturating_sub(created);
        if age > LIFETIME_SECONDS {
            return Err(SignatureError::Expired { seconds: age - LIFETIME_SECONDS });
        }
        let verified = VerifiedAnswer {
            key_id: tagged.input.text("keyid")?.to_owned(),
            created: Timestamp::from_millis(created.saturating_mul(1_000)),
            digest: tagged.digest,
        };
        Ok(Self { tagged, verified })
    }

    /// Which of the other server's keys is said to have signed.
    pub fn key_id(&self) -> &str {
        &self.verified.key_id
    }

    /// When it is said to have been signed: the key must have been valid then.
    pub fn created(&self) -> Timestamp {
        self.verified.created
    }

    /// Checks the signature with the destination's key of that id.
    pub fn verify(self, key: &VerifyingKey) -> Result<VerifiedAnswer, SignatureError> {
        self.tagged.verify(key)?;
        Ok(self.verified)
    }
}

/// What every answer's signature covers, in the order of our own.
fn covered(label: &str) -> [Component; 3] {
    [Component::named("@status"), Component::named("content-digest"), Component::request_signature(label)]
}
