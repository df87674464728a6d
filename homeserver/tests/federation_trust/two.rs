//! `two.example`, played: it publishes keys as a test wants them, and signs its answers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use homeserver::{
    clock::Clock,
    peers::{
        signature::{Reply, RequestClaim, RequestHead},
        trust::{Entry, rotation_lines},
    },
};
use http::StatusCode;
use missive_wire::{Base64, FederationKey, Rotation, ServerKeys, ServerName, Timestamp};
use serde_json::json;

use super::common::Home;

const BODY: &str = "{\"data\":{}}";

pub(super) fn two() -> ServerName {
    "two.example".parse().unwrap()
}

/// One of its keys.
#[derive(Clone)]
pub(super) struct Key {
    entry: Entry,
    pair: SigningKey,
}

/// The server.
pub(super) struct Two {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<Life>>,
}

struct Life {
    clock: Clock,
    caller: Option<VerifyingKey>,
    document: ServerKeys,
    signer: Option<Key>,
    status: StatusCode,
    signs: bool,
    hidden: bool,
    fetched: usize,
}

impl Key {
    /// The key of that seed, valid for a year from an hour ago on.
    pub(super) fn new(seed: u8, clock: &Clock) -> Self {
        let pair = SigningKey::from_bytes(&[seed; 32]);
        let from = clock.now().millis() - 60 * 60 * 1_000;
        let entry = Entry {
            key_id: format!("k{seed}"),
            public_key: pair.verifying_key().to_bytes(),
            valid_from: Timestamp::from_millis(from),
            valid_until: Timestamp::from_millis(from + 365 * 24 * 60 * 60 * 1_000),
        };
        Self { entry, pair }
    }
}

impl Two {
    pub(super) async fn start() -> Self {
        let life = Life {
            clock: Clock::default(),
            caller: None,
            document: ServerKeys::default(),
            signer: None,
            status: StatusCode::OK,
            signs: true,
            hidden: false,
            fetched: 0,
        };
        let state = Arc::new(Mutex::new(life));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(any(respond)).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    /// Lives on the home's clock, with the key `k1`, and verifies what the home signs.
    pub(super) fn begin(&self, home: &Home) {
        let key = Key::new(1, &home.clock);
        self.publish(ServerKeys { keys: vec![(&key.entry).into()], ..ServerKeys::default() }, key);
        let mut life = self.state.lock().unwrap();
        life.clock = home.clock.clone();
        let public = home.app.federation_keys.signing(&home.clock).unwrap().public();
        life.caller = Some(VerifyingKey::from_bytes(&public).unwrap());
    }

    /// Publishes that, and signs with the key.
    pub(super) fn publish(&self, document: ServerKeys, signer: Key) {
        let mut life = self.state.lock().unwrap();
        life.document = document;
        life.signer = Some(signer);
    }

    pub(super) fn document(&self) -> ServerKeys {
        self.state.lock().unwrap().document.clone()
    }

    /// The key in use vouches for another, which signs from now on; gives its id.
    pub(super) fn rotate(&self, next: Key) -> String {
        let signer = self.state.lock().unwrap().signer.clone().unwrap();
        let lines = rotation_lines(&two(), &signer.entry.key_id, &next.entry);
        let key = FederationKey::from(&next.entry);
        let signature = Base64::from(&signer.pair.sign(lines.as_bytes()).to_bytes()[..]);
        let mut document = self.document();
        document.keys.push(key.clone());
        document.rotations.push(Rotation { key, signed_by: signer.entry.key_id, signature });
        let id = next.entry.key_id.clone();
        self.publish(document, next);
        id
    }

    /// As if it had been set up anew: another key, for which nobody vouches.
    pub(super) fn replace(&self, key: Key) {
        self.publish(ServerKeys { keys: vec![(&key.entry).into()], ..ServerKeys::default() }, key);
    }

    /// Its document is away.
    pub(super) fn hide(&self) {
        self.state.lock().unwrap().hidden = true;
    }

    pub(super) fn answer_with_status(&self, status: u16) {
        self.state.lock().unwrap().status = status.try_into().unwrap();
    }

    pub(super) fn answer_unsigned(&self) {
        self.state.lock().unwrap().signs = false;
    }

    /// How often its document was fetched.
    pub(super) fn fetched(&self) -> usize {
        self.state.lock().unwrap().fetched
    }
}

async fn respond(State(state): State<Arc<Mutex<Life>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut life = state.lock().unwrap();
    if head.uri.path() == "/.well-known/missive/server" {
        life.fetched += 1;
        return life.well_known();
    }
    let (path_and_query, server) = (head.uri.path_and_query().unwrap().as_str(), two());
    let request = RequestHead { method: &head.method, server: &server, path_and_query, headers: &head.headers };
    let claim = RequestClaim::read(&request, life.clock.now()).unwrap();
    let verified = claim.verify(life.caller.as_ref().unwrap()).unwrap();
    verified.digest.check(&body).unwrap();
    let mut response = Response::builder().status(life.status).body(Body::from(BODY)).unwrap();
    if life.signs {
        let signer = life.signer.as_ref().unwrap();
        let reply = Reply { request, label: &verified.label, status: life.status, body: BODY.as_bytes() };
        let sign = |base: &[u8]| signer.pair.sign(base).to_bytes();
        response.headers_mut().extend(reply.sign(&signer.entry.key_id, sign, life.clock.now()).unwrap());
    }
    response
}

impl Life {
    fn well_known(&self) -> Response {
        if self.hidden {
            return Response::builder().status(404).body(Body::empty()).unwrap();
        }
        let mut document = serde_json::to_value(&self.document).unwrap();
        let about = json!({ "serverName": "two.example", "baseUrl": "https://two.example", "versions": ["1"] });
        document.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
        Response::new(document.to_string().into())
    }
}
