//! `two.example`, played: what it answers is signed, whatever it is.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::any,
};
use ed25519_dalek::{Signer as _, VerifyingKey};
use homeserver::{
    clock::Clock,
    peers::signature::{Reply, RequestClaim, RequestHead},
};
use http::StatusCode;
use serde_json::Value;

use super::peer::{document, key};
use crate::common::{Database, Home};

/// The server.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<Life>>,
}

struct Life {
    clock: Clock,
    caller: Option<VerifyingKey>,
    status: StatusCode,
    body: Vec<u8>,
    /// So many answers are lost, in that they are not signed.
    lost: usize,
    asked: Vec<Asked>,
}

/// A request that came, signed.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) body: Value,
}

/// A home on each database, and its own two.example.
pub(super) async fn fakes() -> Vec<(Home, Fake)> {
    let mut fakes = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    let sqlite = (Database::sqlite(dir.path()), dir);
    let postgres = Database::postgres().await.map(|database| (database, tempfile::tempdir().unwrap()));
    for (database, dir) in [Some(sqlite), postgres].into_iter().flatten() {
        let fake = Fake::start().await;
        let resolve = format!("federation.resolve=two.example=http://{},dead.example=http://127.0.0.1:1", fake.address);
        let home = Home::start(database, dir, &["federation.enabled=true", &resolve]).await;
        let mut life = fake.state.lock().unwrap();
        life.clock = home.clock.clone();
        let public = home.app.federation_keys.signing(&home.clock).unwrap().public();
        life.caller = Some(VerifyingKey::from_bytes(&public).unwrap());
        drop(life);
        fakes.push((home, fake));
    }
    fakes
}

impl Fake {
    async fn start() -> Self {
        let life = Life {
            clock: Clock::default(),
            caller: None,
            status: StatusCode::OK,
            body: Vec::new(),
            lost: 0,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(life));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(any(respond)).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    /// Answers that from now on.
    pub(super) fn answer(&self, status: u16, body: impl Into<Vec<u8>>) {
        let mut life = self.state.lock().unwrap();
        (life.status, life.body) = (status.try_into().unwrap(), body.into());
    }

    /// Does not sign the next answers.
    pub(super) fn lose(&self, answers: usize) {
        self.state.lock().unwrap().lost = answers;
    }

    /// What was asked since this was called last.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

async fn respond(State(state): State<Arc<Mutex<Life>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    if head.uri.path() == "/.well-known/missive/server" {
        return Json(document("two.example", 2)).into_response();
    }
    let mut life = state.lock().unwrap();
    let (path_and_query, server) = (head.uri.path_and_query().unwrap().as_str(), "two.example".parse().unwrap());
    let request = RequestHead { method: &head.method, server: &server, path_and_query, headers: &head.headers };
    let claim = RequestClaim::read(&request, life.clock.now()).unwrap();
    let verified = claim.verify(life.caller.as_ref().unwrap()).unwrap();
    verified.digest.check(&body).unwrap();
    let asked = Asked { path: path_and_query.to_owned(), body: serde_json::from_slice(&body).unwrap_or_default() };
    life.asked.push(asked);
    let mut response = Response::builder().status(life.status).body(Body::from(life.body.clone())).unwrap();
    if life.lost > 0 {
        life.lost -= 1;
        return response;
    }
    let reply = Reply { request, label: &verified.label, status: life.status, body: &life.body };
    let headers = reply.sign("k1", |base| key(2).sign(base).to_bytes(), life.clock.now()).unwrap();
    response.headers_mut().extend(headers);
    response
}
