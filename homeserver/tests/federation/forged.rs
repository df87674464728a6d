//! Answers to transactions by somebody else than the homeserver that was asked.

use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use homeserver::peers::signature::{LABEL, Reply, RequestHead};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::proxy::{Exchange, Forge, answer};
use crate::common::Home;

const JSON: &str = "content-type: application/json\r\n";

/// Forgeries of the home's answers, each with a name. `old` is a transaction that it answered once.
pub(crate) fn all(home: &Home, old: Exchange) -> Vec<(&'static str, Forge)> {
    let own = home.app.federation_keys.signing(&home.clock).unwrap().id().to_owned();
    let signed = |home: &Home, key_id: &str| -> Forge {
        let (key_id, clock, server) = (key_id.to_owned(), home.clock.clone(), home.app.server_name.clone());
        Arc::new(move |exchange| {
            let body = results(exchange, &received());
            let (path, headers) = head(exchange);
            let request =
                RequestHead { method: &Method::POST, server: &server, path_and_query: &path, headers: &headers };
            let reply = Reply { request, label: LABEL, status: StatusCode::OK, body: &body };
            let sign = |base: &[u8]| SigningKey::from_bytes(&[66; 32]).sign(base).to_bytes();
            let signed = reply.sign(&key_id, sign, clock.now()).unwrap();
            let lines = signed.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
            answer("200 OK", &(JSON.to_owned() + &lines.collect::<String>()), &body)
        })
    };
    let (by_nobody, by_another) = (signed(home, "ghost"), signed(home, &own));
    let altered = old.answer.clone();
    let page = b"<html><body><h1>502 Bad Gateway</h1></body></html>";
    let gone = json!({"code": "receiver_gone", "error": "the receiver can no longer receive messages"});
    let unsigned =
        |result: Value| -> Forge { Arc::new(move |exchange| answer("200 OK", JSON, &results(exchange, &result))) };
    vec![
        ("unsigned, received", unsigned(received())),
        ("unsigned, refused", unsigned(gone)),
        ("unsigned, whole", Arc::new(|_| answer("400 Bad Request", JSON, br#"{"error":"no","code":"malformed"}"#))),
        ("a gateway's page", Arc::new(|_| answer("502 Bad Gateway", "content-type: text/html\r\n", page))),
        ("moved", Arc::new(|_| answer("302 Found", "location: http://127.0.0.1:1/\r\n", b""))),
        ("no HTTP", Arc::new(|_| b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())),
        ("cut off", Arc::new(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"data\"".to_vec())),
        ("by an unknown key", by_nobody),
        ("by another key under the right name", by_another),
        ("an old answer", Arc::new(move |_| altered.clone())),
        ("an old answer's signature", Arc::new(move |exchange| with_signature(&old, &results(exchange, &received())))),
    ]
}

fn received() -> Value {
    json!({"accepted": true, "state": "received"})
}

/// That result for each of a transaction's envelopes.
fn results(exchange: &Exchange, result: &Value) -> Vec<u8> {
    let transaction: Value = serde_json::from_slice(exchange.body()).unwrap();
    let envelopes = transaction["envelopes"].as_array().unwrap().len();
    json!({"data": {"incarnation": Uuid::nil(), "results": vec![result; envelopes]}}).to_string().into_bytes()
}

/// Another body under the signature of an old answer.
fn with_signature(old: &Exchange, body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(&old.answer);
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let kept = head.lines().skip(1).filter(|line| {
        let line = line.to_lowercase();
        !line.starts_with("content-length") && !line.starts_with("connection")
    });
    answer("200 OK", &kept.flat_map(|line| [line, "\r\n"]).collect::<String>(), body)
}

/// The path and the headers of a request.
fn head(exchange: &Exchange) -> (String, HeaderMap) {
    let text = String::from_utf8_lossy(&exchange.request);
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
    };
    (path, lines.filter_map(header).collect())
}
