//! Servers that others are found and called through: with certificates of a private authority, and documents as a test
//! wants them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Bytes, extract::State, http::Request, response::Response, routing::any};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use homeserver::{
    clock::Clock,
    config::{Federation, RemoteDirectory},
    peers::{Peers, trust::Entry},
};
use missive_wire::{Base64, FederationAlgorithm, FederationKey, ServerName};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::trust::{day, entry};

/// A configuration that federates and has no lists.
pub(super) fn federation() -> Federation {
    Federation {
        base_url: None,
        enabled: true,
        resolve: BTreeMap::new(),
        allow: Vec::new(),
        deny: Vec::new(),
        directory: RemoteDirectory::Exact,
        allow_networks: Vec::new(),
        ca_file: None,
    }
}

/// A private authority for certificates, and its `federation.ca_file`.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

/// The times between which a certificate counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Valid {
    Now,
    Formerly,
    Later,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, uuid::Uuid::now_v7().to_string());
        let key = KeyPair::generate().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), dir }
    }

    /// A configuration that trusts it, and calls this machine.
    pub(super) fn federation(&self) -> Federation {
        Federation {
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ca_file: Some(self.dir.path().join("ca.pem")),
            ..federation()
        }
    }

    async fn certificate(&self, names: &[&str], valid: Valid) -> RustlsConfig {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        match valid {
            Valid::Now => {}
            Valid::Formerly => params.not_after = rcgen::date_time_ymd(2001, 1, 1),
            Valid::Later => params.not_before = rcgen::date_time_ymd(4000, 1, 1),
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        RustlsConfig::from_pem(certificate.pem().into_bytes(), key.serialize_pem().into_bytes()).await.unwrap()
    }
}

/// What a server answers, given the request and its body.
pub(super) type Answering = dyn Fn(&Request<()>, &[u8]) -> Response + Send + Sync;

/// A server on this machine that counts its requests.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    answering: Arc<Mutex<Arc<Answering>>>,
    requests: Arc<AtomicUsize>,
    handle: Handle<SocketAddr>,
}

#[derive(Clone)]
struct Shared {
    answering: Arc<Mutex<Arc<Answering>>>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// HTTPS with a certificate for `localhost`.
    pub(super) async fn start(authority: &Authority) -> Self {
        Self::start_as(authority, &["localhost"], Valid::Now).await
    }

    /// HTTPS with a certificate for these names.
    pub(super) async fn start_as(authority: &Authority, names: &[&str], valid: Valid) -> Self {
        let tls = authority.certificate(names, valid).await;
        let (shared, router, socket, handle) = parts();
        let server = axum_server::from_tcp_rustls(socket, tls).unwrap().handle(handle.clone());
        tokio::spawn(server.serve(router.into_make_service()));
        Self::listening(shared, handle).await
    }

    /// Plain HTTP.
    pub(super) async fn start_plain() -> Self {
        let (shared, router, socket, handle) = parts();
        let server = axum_server::from_tcp(socket).unwrap().handle(handle.clone());
        tokio::spawn(server.serve(router.into_make_service()));
        Self::listening(shared, handle).await
    }

    async fn listening(shared: Shared, handle: Handle<SocketAddr>) -> Self {
        let address = handle.listening().await.unwrap();
        Self { address, answering: shared.answering, requests: shared.requests, handle }
    }

    /// Its name where it is called by `localhost`.
    pub(super) fn name(&self) -> ServerName {
        format!("localhost:{}", self.address.port()).parse().unwrap()
    }

    pub(super) fn answer_with(&self, answering: impl Fn(&Request<()>, &[u8]) -> Response + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answering);
    }

    /// Answers the path with this JSON, and everything else with 404.
    pub(super) fn publish(&self, documents: &[(&'static str, Value)]) {
        let documents = documents.to_vec();
        self.answer_with(move |request, _| match documents.iter().find(|(path, _)| *path == request.uri().path()) {
            Some((_, document)) => Response::new(document.to_string().into()),
            None => Response::builder().status(404).body("{}".into()).unwrap(),
        });
    }

    /// How many requests came.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn parts() -> (Shared, Router, std::net::TcpListener, Handle<SocketAddr>) {
    let shared = Shared {
        answering: Arc::new(Mutex::new(Arc::new(|_: &Request<()>, _: &[u8]| Response::new("".into())))),
        requests: Arc::default(),
    };
    let router = Router::new().fallback(any(respond)).with_state(shared.clone());
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    (shared, router, socket, Handle::new())
}

async fn respond(State(shared): State<Shared>, request: axum::extract::Request) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let answering = shared.answering.lock().unwrap().clone();
    answering(&Request::from_parts(head, ()), &body)
}

/// `one.example`, on a clock that stands at day 2 of the keys.
pub(super) fn peers(federation: &Federation) -> (Peers, Clock) {
    let clock = Clock::turned(day(2));
    (Peers::new("one.example".parse().unwrap(), federation, clock.clone()).unwrap(), clock)
}

/// A key as it is published.
pub(super) fn wire(entry: Entry) -> FederationKey {
    FederationKey {
        key_id: entry.key_id,
        algorithm: FederationAlgorithm::Ed25519,
        public_key: Base64(entry.public_key.to_vec()),
        valid_from: entry.valid_from,
        valid_until: entry.valid_until,
    }
}

/// The document of a server that is reached where it is found, with the key `k1` of day 0.
pub(super) fn well_known(server: &Server) -> Value {
    let name = server.name();
    json!({"serverName": name, "baseUrl": format!("https://{name}"), "versions": ["1"], "keys": [wire(entry(1, 0))]})
}

pub(super) const WELL_KNOWN: &str = "/.well-known/missive/server";
pub(super) const KEYS: &str = "/federation/v1/keys";
