//! Requests that are right.

use ed25519_dalek::Signer as _;
use homeserver::peers::signature::{AnswerClaim, AnswerHead, LABEL, Outgoing};
use http::{Method, StatusCode};
use serde_json::json;

use super::{
    draft::Draft,
    peer::{Peer, homes, key},
};

#[tokio::test]
async fn a_server_that_signs_is_let_in_and_gets_a_signed_answer() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let before = peer.requests();
        let answer = Draft::ping(&home).send(&home).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{answer:?}");
        let expected = json!({ "origin": "two.example", "serverName": home.server_name, "now": home.now() });
        assert_eq!(answer.body["data"], expected);

        let answer = Draft::to(&home, "POST", "/federation/v1/wake").send(&home).await;
        assert_eq!((answer.status, answer.signed, &answer.body), (200, true, &json!({ "data": {} })));

        let version = Draft { body: Vec::new(), ..Draft::to(&home, "GET", "/federation/v1/version") };
        let answer = version.send(&home).await;
        assert_eq!((answer.status, answer.signed), (200, true));
        assert_eq!(answer.body["data"]["versions"], json!(["1"]));
        assert!(answer.body["data"]["server"].as_str().unwrap().starts_with("missive-homeserver/"));

        let head = Draft { body: Vec::new(), ..Draft::to(&home, "HEAD", "/federation/v1/version") };
        let answer = head.send(&home).await;
        assert_eq!((answer.status, answer.signed), (200, true));
        assert_eq!(peer.requests() - before, 1, "its keys are remembered");
    }
}

#[tokio::test]
async fn our_own_calls_are_understood() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let (origin, destination) = ("two.example".parse().unwrap(), home.server_name.parse().unwrap());
        let outgoing = Outgoing {
            method: &Method::POST,
            origin: &origin,
            destination: &destination,
            path_and_query: "/federation/v1/ping?with=a%20query",
            body: b"",
        };
        let sign = |base: &[u8]| key(2).sign(base).to_bytes();
        let request = outgoing.sign("k1", sign, home.now(), &home.clock.random().unwrap()).unwrap();
        let url = format!("{}{}", home.url, request.path_and_query);
        let answer = home.client.post(url).headers(request.headers.clone()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let headers = answer.headers().clone();
        let head = AnswerHead { status: StatusCode::OK, headers: &headers, request: request.head() };
        let claim = AnswerClaim::read(&head, LABEL, home.now()).unwrap();
        let own = home.app.federation_keys.signing(&home.clock).unwrap();
        assert_eq!(claim.key_id(), own.id());
        let verified = claim.verify(&ed25519_dalek::VerifyingKey::from_bytes(&own.public()).unwrap()).unwrap();
        verified.digest.check(&answer.bytes().await.unwrap()).unwrap();
    }
}

#[tokio::test]
async fn clocks_may_differ_a_little() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let now = home.now().millis() / 1_000;
        for (created, expires) in [(now + 60, now + 360), (now - 300, now), (now - 1, now)] {
            let answer = Draft { created, expires, ..Draft::ping(&home) }.send(&home).await;
            assert_eq!((answer.status, answer.signed), (200, true), "{created} {expires} {answer:?}");
        }
    }
}

#[tokio::test]
async fn other_signatures_and_headers_beside_it_change_nothing() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let mut request = Draft { content_type: "application/json; charset=utf-8", ..Draft::ping(&home) }.sign();
        let input = request.headers["signature-input"].to_str().unwrap().to_owned();
        let signature = request.headers["signature"].to_str().unwrap().to_owned();
        request.set("signature-input", &format!("proxy=(\"@authority\");tag=\"proxy\", {input}"));
        request.set("signature", &format!("proxy=:AAEC:, {signature}"));
        request.set("x-forwarded-for", "192.0.2.1");
        let answer = request.send(&home).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_knows_what_it_was_asked_in_vain() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        for (method, path, says) in [
            ("POST", "/federation/v1/later", (404, "not_found")),
            ("GET", "/federation/v1/a/b?c", (404, "not_found")),
            ("GET", "/federation/v1/ping", (405, "method_not_allowed")),
            ("DELETE", "/federation/v1/version", (405, "method_not_allowed")),
        ] {
            let answer = Draft::to(&home, method, path).send(&home).await;
            assert_eq!((answer.says(), answer.signed), (says, true), "{method} {path}");
        }
        // What needs no signature has none.
        let keys = home.get("/federation/v1/keys").await;
        assert_eq!((keys.0, keys.1["data"]["keys"].as_array().unwrap().len()), (200, 1));
        for path in ["/federation/v2/ping", "/federation/v10/transactions/1", "/federation/nothing"] {
            let answer = Draft::to(&home, "POST", path).send(&home).await;
            assert_eq!((answer.says(), answer.signed), ((404, "version"), false), "{path}");
            assert!(answer.body["error"].as_str().unwrap().contains("version 1 "), "{answer:?}");
        }
    }
}
