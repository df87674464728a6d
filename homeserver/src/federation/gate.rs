//! The gate: who asks is verified by the headers alone, before a byte of the body is read; then the answer is signed.
//!
//! What costs something comes after what costs less, and strangers stand in no known server's way: what is signed with
//! a key that is pinned here is verified at once. Otherwise a stranger whose requests keep failing is not looked at, and
//! a server that nobody here has met is looked for on the source's budget. Only a verified server's nonce is written
//! down, and only its body is read. Refusals are unsigned until the server is verified, and signed afterwards.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequestParts as _, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use ed25519_dalek::VerifyingKey;
use missive_wire::ServerName;
use tokio::time::{Instant, timeout_at};

use super::{
    PeerServer, body,
    places::{Place, Places},
    refusal::Refusal,
    seal::{self, Asked},
};
use crate::{
    app::Limit,
    error::Error,
    keys::federation::SigningKey,
    peers::{
        discovery::Asker,
        domain,
        signature::{RequestClaim, VerifiedRequest},
    },
    service::{federation, outbox, peers},
    web::{Shared, Source},
};

/// The most requests in work at a time: of those whose key is looked for, and of those that are verified.
const PLACES: usize = 512;

/// The most of them from one source, while their key is looked for, and from one server afterwards.
const PLACES_EACH: usize = 64;

/// The most of them from all servers below one registered domain.
const PLACES_DOMAIN: usize = 256;

/// How long a request may take in all. Less than any other route's, so that a verified server gets a signed answer.
const PATIENCE: Duration = Duration::from_secs(25);

/// What the gate works with.
#[derive(Clone)]
pub(super) struct Gate {
    app: Shared,
    strangers: Arc<Places<IpAddr>>,
    servers: Arc<Places<ServerName>>,
    domains: Arc<Places<String>>,
}

/// A server that was verified, and what this one signs its answer with.
struct Caller {
    request: VerifiedRequest,
    key: Arc<SigningKey>,
}

/// The places that a verified request takes.
type Taken = (Place<ServerName>, Place<String>);

/// Lets a request through to its handler, or refuses it.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let deadline = Instant::now() + PATIENCE;
    let (mut parts, body) = request.into_parts();
    let source = match Source::from_request_parts(&mut parts, &gate.app).await {
        Ok(Source(source)) => source,
        Err(failure) => return failure.into_response(),
    };
    let caller = match gate.identify(&parts, source).await {
        Ok(caller) => caller,
        Err(refusal) => return gate.refuse(source, refusal),
    };
    let asked = Asked::of(&parts);
    let served = timeout_at(deadline, gate.serve(&caller, parts, body, next)).await;
    let answer = match served.unwrap_or_else(|_| Err(late())) {
        Ok(answer) => answer,
        Err(refusal) => gate.refuse(source, refusal),
    };
    let app = &gate.app;
    asked.sign(&app.server_name, &caller.request.label, answer, &caller.key, app.clock.now()).await
}

impl Gate {
    pub(super) fn new(app: Shared) -> Self {
        Self {
            app,
            strangers: Places::new(PLACES, PLACES_EACH),
            servers: Places::new(PLACES, PLACES_EACH),
            domains: Places::new(PLACES, PLACES_DOMAIN),
        }
    }

    /// Who asks, by the headers.
    async fn identify(&self, parts: &Parts, source: IpAddr) -> Result<Caller, Refusal> {
        let app = &self.app;
        let peers = app.peers.as_ref().ok_or_else(Refusal::disabled)?;
        let claim = RequestClaim::read(&seal::head(parts, &app.server_name), app.clock.now())?;
        peers.policy.check(claim.origin())?;
        let pinned = peers::pinned_key(app, claim.origin(), claim.key_id(), claim.created()).await;
        let key = match pinned.map_err(Error::from)? {
            Some(pinned) => pinned,
            None => self.search(&claim, source).await?,
        };
        let request = claim.verify(&key)?;
        // Before anything is done that could not be answered.
        let key = app.federation_keys.signing(&app.clock).ok_or_else(no_key)?;
        Ok(Caller { request, key })
    }

    /// The key that a stranger is said to have signed with. It is looked for to the end, also where whoever asked has gone:
    /// given up half way, the question would have been put in vain, and another could not be put for a while.
    async fn search(&self, claim: &RequestClaim, source: IpAddr) -> Result<VerifyingKey, Refusal> {
        self.app.limits.check_stranger(&source)?;
        let place = self.strangers.take(source).ok_or_else(busy)?;
        let (app, claim) = (self.app.clone(), claim.clone());
        let search = async move {
            let _place = place;
            peers::key(&app, claim.origin(), claim.key_id(), claim.created(), Asker::Source(source)).await
        };
        let shutdown = self.app.shutdown.clone();
        let search = async move { Box::pin(shutdown.run_until_cancelled_owned(search)).await };
        let found = self.app.tasks.spawn(search).await.map_err(Error::internal)?;
        Ok(found.ok_or_else(busy)??)
    }

    /// The handler's answer to a server that was verified.
    async fn serve(&self, caller: &Caller, parts: Parts, body: Body, next: Next) -> Result<Response, Refusal> {
        let request = &caller.request;
        let _taken = self.take(&request.origin)?;
        if !federation::admit(&self.app, request).await? {
            return Err(Refusal::replayed());
        }
        let meeting = peers::check_meeting(&self.app, &request.origin).await?;
        peers::meet(&self.app, &request.origin, &request.key_id, request.created).await?;
        drop(meeting);
        // Whoever calls can be called.
        outbox::try_now(&self.app, &request.origin);
        let body = body::read(&parts, body, &request.digest).await?;
        let mut inner = Request::from_parts(parts, Body::from(body));
        let peer = PeerServer { origin: request.origin.clone(), digest: *request.digest.as_bytes() };
        inner.extensions_mut().insert(peer);
        Ok(next.run(inner).await)
    }

    /// Counts a verified server's request, and finds it a place.
    fn take(&self, origin: &ServerName) -> Result<Taken, Refusal> {
        let domain = domain::registrable(origin);
        self.app.limits.check(Limit::Peer, origin)?;
        self.app.limits.check(Limit::Domain, &domain)?;
        let server = self.servers.take(origin.clone()).ok_or_else(busy)?;
        let domain = self.domains.take(domain.to_owned()).ok_or_else(busy)?;
        Ok((server, domain))
    }

    fn refuse(&self, source: IpAddr, refusal: Refusal) -> Response {
        refusal.report();
        if refusal.is_strange {
            self.app.limits.record_stranger(&source);
        }
        refusal.into_response()
    }
}

fn late() -> Refusal {
    Refusal::busy("unavailable", "the request took too long; try again in a moment")
}

fn busy() -> Refusal {
    Refusal::busy("busy", "too many requests of other homeservers are in work; try again in a moment")
}

fn no_key() -> Refusal {
    let text = "every federation key of this homeserver has ended, so that it cannot answer: tell its admin";
    Refusal::busy("no_signing_key", text)
}
