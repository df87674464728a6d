//! Signed calls to a server that was found, and answers that count or do not.

use std::{sync::Arc, time::Duration};

use axum::{http::Request, response::Response};
use bytes::Bytes;
use homeserver::{
    clock::Clock,
    peers::{
        Peers,
        call::Answer,
        discovery::{Asker, Discovered},
        outbound::{Bounds, CallError},
        signature::{Outgoing, Reply, RequestClaim, RequestHead, SignatureError, SignedRequest},
        trust,
    },
};
use http::{HeaderMap, Method, StatusCode};
use missive_wire::ServerName;

use super::{
    server::{Authority, Server, WELL_KNOWN, peers, well_known},
    signatures::{BODY, PATH, key, sign},
    trust::{day, name},
};

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), size: 1 << 20 };

/// one.example, and another server that it has found.
struct Pair {
    server: Server,
    peers: Peers,
    clock: Clock,
    peer: Arc<Discovered>,
    _authority: Authority,
}

impl Pair {
    async fn start() -> Self {
        let authority = Authority::new();
        let server = Server::start(&authority).await;
        server.publish(&[(WELL_KNOWN, well_known(&server))]);
        let (peers, clock) = peers(&authority.federation());
        let peer = peers.discovery.find(&server.name(), Asker::Own).await.unwrap();
        Self { server, peers, clock, peer, _authority: authority }
    }

    fn signed(&self) -> SignedRequest {
        let origin: ServerName = "one.example".parse().unwrap();
        let destination = self.server.name();
        let outgoing = Outgoing {
            method: &Method::POST,
            origin: &origin,
            destination: &destination,
            path_and_query: PATH,
            body: BODY,
        };
        outgoing.sign("a1", sign(9), self.clock.now(), &self.clock.random().unwrap()).unwrap()
    }

    async fn call(&self) -> Result<Answer, CallError> {
        let answer = self.peers.call(&self.peer, &self.signed(), Bytes::from_static(BODY), BOUNDS).await?;
        assert_eq!((answer.key_id(), answer.created()), ("k1", self.clock.now()));
        // Its keys are pinned the first time they are met.
        let pinned = trust::first(&self.peer.server, &self.peer.keys, self.clock.now()).unwrap();
        answer.read(&trust::key(&pinned, answer_key(), self.clock.now()).unwrap()).await
    }
}

fn answer_key() -> &'static str {
    "k1"
}

/// What an answer is signed for in place of what it is.
type Alteration = fn(&mut HeaderMap, &mut StatusCode);

/// The answer of a server that has read the request as it should, signed with the key `seed` by `alter`'s view of it.
fn answer(server: &ServerName, request: &Request<()>, body: &[u8], seed: u8, alter: Alteration) -> Response {
    let path_and_query = request.uri().path_and_query().unwrap().as_str();
    let (mut headers, mut status) = (request.headers().clone(), StatusCode::OK);
    let head = RequestHead { method: request.method(), server, path_and_query, headers: &headers };
    let claim = RequestClaim::read(&head, day(2)).unwrap();
    let verified = claim.verify(&key(9).verifying_key()).unwrap();
    verified.digest.check(body).unwrap();
    let sent = status;
    alter(&mut headers, &mut status);
    let request = RequestHead { headers: &headers, ..head_of(request, server) };
    let reply = Reply { request, label: &verified.label, status, body: b"{\"data\":{}}" };
    let mut response = Response::new(axum::body::Body::from("{\"data\":{}}"));
    *response.status_mut() = sent;
    response.headers_mut().extend(reply.sign("k1", sign(seed), day(2)).unwrap());
    response
}

fn head_of<'a>(request: &'a Request<()>, server: &'a ServerName) -> RequestHead<'a> {
    let path_and_query = request.uri().path_and_query().unwrap().as_str();
    RequestHead { method: request.method(), server, path_and_query, headers: request.headers() }
}

#[tokio::test]
async fn a_signed_call_brings_a_signed_answer() {
    let pair = Pair::start().await;
    let own = pair.server.name();
    pair.server.answer_with(move |request, body| answer(&own, request, body, 1, |_, _| {}));
    let answer = pair.call().await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"{\"data\":{}}"[..]));
    assert_eq!(name().as_str(), "two.example");
}

#[tokio::test]
async fn what_is_not_signed_by_the_server_for_this_request_is_no_answer() {
    let pair = Pair::start().await;
    let unverified = |error| Err(CallError::Unverified { status: 200, error });
    // A proxy answers in the server's place.
    pair.server.answer_with(|_, _| Response::new("{\"data\":{}}".into()));
    assert_eq!(pair.call().await.map(|answer| answer.body), unverified(SignatureError::Unsigned));

    let alterations: [(u8, Alteration); 3] = [
        // Another server's key.
        (8, |_, _| {}),
        // Another status.
        (1, |_, status| *status = StatusCode::ACCEPTED),
        // An answer to another request.
        (1, |headers, _| {
            let other = format!("missive=:{}AA==:", "A".repeat(84));
            headers.insert("signature", other.parse().unwrap());
        }),
    ];
    for (seed, alter) in alterations {
        let own = pair.server.name();
        pair.server.answer_with(move |request, body| answer(&own, request, body, seed, alter));
        assert_eq!(pair.call().await.map(|answer| answer.body), unverified(SignatureError::WrongSignature));
    }

    // Another body under the same headers.
    let own = pair.server.name();
    pair.server.answer_with(move |request, body| {
        let (head, _) = answer(&own, request, body, 1, |_, _| {}).into_parts();
        Response::from_parts(head, "{\"data\":1}".into())
    });
    assert_eq!(pair.call().await.map(|answer| answer.body), unverified(SignatureError::WrongBody));
}

/// An answer that was right once is kept and given again.
#[tokio::test]
async fn a_replayed_answer_is_no_answer() {
    let pair = Pair::start().await;
    let own = pair.server.name();
    let kept = std::sync::Mutex::new(None::<HeaderMap>);
    pair.server.answer_with(move |request, body| {
        let mut response = answer(&own, request, body, 1, |_, _| {});
        let mut kept = kept.lock().unwrap();
        match &*kept {
            Some(headers) => *response.headers_mut() = headers.clone(),
            None => *kept = Some(response.headers().clone()),
        }
        response
    });
    pair.call().await.unwrap();
    let replayed = pair.call().await.map(|answer| answer.body);
    assert_eq!(replayed, Err(CallError::Unverified { status: 200, error: SignatureError::WrongSignature }));
}
