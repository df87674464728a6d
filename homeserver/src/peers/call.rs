//! Signed calls to a server that was found.

use bytes::Bytes;
use ed25519_dalek::VerifyingKey;
use http::{HeaderMap, StatusCode};
use missive_wire::Timestamp;

use super::{
    Peers,
    discovery::Discovered,
    outbound::{Bounds, CallError, Incoming},
    signature::{AnswerClaim, AnswerHead, LABEL, SignatureError, SignedRequest},
};

/// An answer that came to a signed request. It is none before [`UnreadAnswer::read`].
#[derive(Debug)]
pub struct UnreadAnswer {
    incoming: Incoming,
    claim: AnswerClaim,
}

/// An answer that the other server signed, for this very request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, of which only the signed ones are the server's word.
    pub headers: HeaderMap,
    /// Its body, as it was signed.
    pub body: Bytes,
}

impl Peers {
    /// Sends a signed request, once, and reads the headers of the answer. `body` is what was signed.
    pub async fn call(
        &self,
        peer: &Discovered,
        request: &SignedRequest,
        body: Bytes,
        bounds: Bounds,
    ) -> Result<UnreadAnswer, CallError> {
        let route = self.outbound.fixed(&peer.server).unwrap_or_else(|| self.outbound.known(peer.base.clone()));
        let (method, headers) = (request.method.clone(), request.headers.clone());
        let incoming = route.send(method, &request.path_and_query, headers, body, bounds).await?;
        let head = AnswerHead { status: incoming.status, headers: &incoming.headers, request: request.head() };
        match AnswerClaim::read(&head, LABEL, self.clock.now()) {
            Ok(claim) => Ok(UnreadAnswer { incoming, claim }),
            Err(error) => Err(unverified(incoming.status, error)),
        }
    }
}

impl UnreadAnswer {
    /// Which of the other server's keys is said to have signed it.
    pub fn key_id(&self) -> &str {
        self.claim.key_id()
    }

    /// When it is said to have been signed: the key must have been valid then.
    pub fn created(&self) -> Timestamp {
        self.claim.created()
    }

    /// Checks the signature with the other server's key of that id, then reads the body and compares it.
    pub async fn read(self, key: &VerifyingKey) -> Result<Answer, CallError> {
        let (status, headers) = (self.incoming.status, self.incoming.headers.clone());
        let verified = self.claim.verify(key).map_err(|error| unverified(status, error))?;
        let body = self.incoming.read().await?;
        verified.digest.check(&body).map_err(|error| unverified(status, error))?;
        Ok(Answer { status, headers, body })
    }
}

fn unverified(status: StatusCode, error: SignatureError) -> CallError {
    CallError::Unverified { status: status.as_u16(), error }
}
