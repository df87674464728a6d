//! Requests that are wrong from the beginning: each for its own reason.

use serde_json::json;

use super::{
    draft::{Answer, COMPONENTS, Draft},
    peer::{Peer, homes},
};

/// The answer is unsigned: it is not known who asks.
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.says(), answer.signed), ((status, code), false), "{answer:?}");
}

#[tokio::test]
async fn each_reason_has_its_code() {
    let (two, three) = (Peer::start("two.example", 2).await, Peer::start("three.example", 3).await);
    for home in homes(&[&two, &three], &[]).await {
        let now = home.now().millis() / 1_000;
        let cases: Vec<(Draft, &str)> = vec![
            (Draft { destination: "three.example".into(), ..Draft::ping(&home) }, "wrong_destination"),
            (Draft { created: now + 61, expires: now + 300, ..Draft::ping(&home) }, "clock_skew"),
            (Draft { created: now - 300, expires: now - 1, ..Draft::ping(&home) }, "signature_expired"),
            (Draft { expires: now + 301, ..Draft::ping(&home) }, "invalid_lifetime"),
            (Draft { created: now - 361, expires: now + 1, ..Draft::ping(&home) }, "invalid_lifetime"),
            (Draft { created: now, expires: now, ..Draft::ping(&home) }, "invalid_lifetime"),
            (Draft { key_id: "k9", ..Draft::ping(&home) }, "unknown_key"),
            (Draft { key_id: "old", seed: 9, ..Draft::ping(&home) }, "key_ended"),
            (Draft { seed: 3, ..Draft::ping(&home) }, "wrong_signature"),
            (Draft { origin: "three.example".into(), ..Draft::ping(&home) }, "wrong_signature"),
            (Draft { origin: "Two.Example".into(), ..Draft::ping(&home) }, "invalid_origin"),
            (Draft { nonce: String::new(), ..Draft::ping(&home) }, "invalid_parameter"),
            (Draft { nonce: "n".repeat(129), ..Draft::ping(&home) }, "invalid_parameter"),
            (Draft { parameters: ";alg=\"ed25519\"", ..Draft::ping(&home) }, "not_tagged"),
            (Draft { parameters: ";tag=\"missive-federation\"", ..Draft::ping(&home) }, "missing_parameter"),
            (
                Draft { parameters: ";alg=\"hmac-sha256\";tag=\"missive-federation\"", ..Draft::ping(&home) },
                "wrong_algorithm",
            ),
        ];
        for (draft, code) in cases {
            refused(&draft.send(&home).await, 401, code);
        }
        for missing in COMPONENTS {
            let components = COMPONENTS.into_iter().filter(|name| *name != missing).collect();
            let answer = Draft { components, ..Draft::ping(&home) }.send(&home).await;
            refused(&answer, 401, "missing_component");
            assert!(answer.body["error"].as_str().unwrap().contains(missing));
        }
        assert_eq!(Draft::ping(&home).send(&home).await.status, 200);
    }
}

#[tokio::test]
async fn who_does_not_sign_is_refused() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        for (method, path) in [
            ("POST", "/federation/v1/ping"),
            ("POST", "/federation/v1/wake"),
            ("GET", "/federation/v1/version"),
            ("HEAD", "/federation/v1/version"),
            ("PUT", "/federation/v1/version"),
            ("GET", "/federation/v1/nothing"),
        ] {
            let reply = home.send(method, path, &[], Vec::new()).await;
            let code = if method == "HEAD" { "" } else { "unsigned" };
            assert_eq!((reply.status, reply.code()), (401, code), "{method} {path}");
            assert!(!reply.headers.contains_key("signature"));
        }
        let mut request = Draft::ping(&home).sign();
        request.headers.remove("signature");
        refused(&request.send(&home).await, 401, "no_signature");
    }
}

#[tokio::test]
async fn two_tagged_signatures_are_one_too_many() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let mut request = Draft::ping(&home).sign();
        for name in ["signature-input", "signature"] {
            let value = request.headers[name].to_str().unwrap();
            let twice = format!("{value}, {}", value.replacen("sig=", "other=", 1));
            request.set(name, &twice);
        }
        refused(&request.send(&home).await, 401, "several_tagged");
    }
}

#[tokio::test]
async fn servers_that_are_not_spoken_to_are_not_looked_for() {
    let (two, three) = (Peer::start("two.example", 2).await, Peer::start("three.example", 3).await);
    let denied = |origin: &str, home: &_| Draft { origin: origin.into(), ..Draft::ping(home) };
    for home in homes(&[&two, &three], &["federation.deny=*.example"]).await {
        refused(&denied("two.example", &home).send(&home).await, 403, "denied");
    }
    for home in homes(&[&two, &three], &["federation.allow=three.example"]).await {
        refused(&denied("two.example", &home).send(&home).await, 403, "not_allowed");
        refused(&denied(&home.server_name, &home).send(&home).await, 403, "own_server");
        let answer = Draft { origin: "three.example".into(), seed: 3, ..Draft::ping(&home) }.send(&home).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(two.requests(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_found_may_come_again() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let mut answers = Vec::new();
        // Nobody listens, an address inside, and each once more, when it is not asked again.
        for origin in ["dead.example", "10.0.0.1", "localhost", "dead.example", "10.0.0.1"] {
            let answer = Draft { origin: origin.into(), ..Draft::ping(&home) }.send(&home).await;
            refused(&answer, 503, "unreachable");
            answers.push((answer.retry_after(), answer.body));
        }
        assert_eq!(answers[0].0, Some(15));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "they differ: {answers:?}");
    }
}

#[tokio::test]
async fn without_federation_there_is_nothing() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &["federation.enabled=false"]).await {
        refused(&Draft::ping(&home).send(&home).await, 404, "federation_disabled");
        for path in ["/federation/v1/nothing", "/federation/v2/ping"] {
            refused(&Draft::to(&home, "GET", path).send(&home).await, 404, "federation_disabled");
        }
        assert_eq!(home.post("/federation/v1/ping", &json!({})).await.0, 404);
    }
    assert_eq!(peer.requests(), 0);
}
