//! Another homeserver, as far as this one asks it: a document with its keys.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use homeserver::clock::Clock;
use missive_wire::Timestamp;
use serde_json::{Value, json};

use crate::common::{Home, both_with};

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// A server with the key `k1` of a seed, and `old`, of the seed 9, that ended yesterday.
pub(super) struct Peer {
    pub(super) name: &'static str,
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Peer {
    pub(super) async fn start(name: &'static str, seed: u8) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let (document, counted) = (document(name, seed), requests.clone());
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Json(document.clone()))
        };
        let router = Router::new().route("/.well-known/missive/server", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { name, address, requests }
    }

    /// How often its keys were asked for.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Homes that federate and find these peers, on each database.
pub(super) async fn homes(peers: &[&Peer], settings: &[&str]) -> Vec<Home> {
    let found = peers.iter().map(|peer| format!("{}=http://{}", peer.name, peer.address)).collect::<Vec<_>>();
    // Nothing listens there.
    let resolve = format!("federation.resolve={},dead.example=http://127.0.0.1:1", found.join(","));
    let settings = [&["federation.enabled=true", &resolve], settings].concat();
    both_with(&settings).await
}

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(super) fn document(name: &str, seed: u8) -> Value {
    let now = Clock::default().now().millis();
    let key = |id: &str, seed, from, until| {
        json!({
            "keyId": id,
            "algorithm": "ed25519",
            "publicKey": STANDARD.encode(key(seed).verifying_key().as_bytes()),
            "validFrom": Timestamp::from_millis(now + from * DAY),
            "validUntil": Timestamp::from_millis(now + until * DAY),
        })
    };
    json!({
        "serverName": name,
        "baseUrl": format!("https://{name}"),
        "versions": ["1"],
        "keys": [key("old", 9, -9, -1), key("k1", seed, -9, 99)],
    })
}
