//! A client of RFC 9421 that is not ours asks a server that runs: let in when right, refused when wrong, and our answers
//! are verified there.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use homeserver::clock::Clock;
use serde_json::{Value, json};

use super::{
    peer::{Peer, homes},
    python::Python,
};
use crate::common::Home;

/// How a request that is told to Python is spoiled.
type Alteration = fn(&mut Value);

/// A ping of `two.example`, to be signed and sent there.
async fn ping(home: &Home, nonce: &str) -> Value {
    let own = home.get("/federation/v1/keys").await.1["data"]["keys"][0].clone();
    // The other implementation asks its own clock; the home's stands since it was started.
    let now = Clock::default().now().millis() / 1_000;
    json!({
        "do": "call",
        "address": format!("{}/federation/v1/ping", home.url),
        "method": "POST",
        "url": format!("https://{}/federation/v1/ping", home.server_name),
        "headers": {
            "content-type": "application/json",
            "missive-origin": "two.example",
            "missive-destination": home.server_name,
        },
        "body": STANDARD.encode(b"{}"),
        "created": now,
        "expires": now + 200,
        "nonce": nonce,
        "keyId": "k1",
        "secret": STANDARD.encode([2; 32]),
        "answerKey": { "keyId": own["keyId"], "publicKey": own["publicKey"] },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_is_let_in_when_right_and_refused_when_wrong() {
    let Some(mut python) = Python::start() else { return };
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let mut ask = |told: &Value| tokio::task::block_in_place(|| python.ask(told));
        let said = ask(&ping(&home, "right").await);
        assert_eq!((&said["status"], &said["verified"]), (&json!(200), &json!(1)), "{said}");
        let body: Value = serde_json::from_str(said["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["data"]["origin"], "two.example");
        // The same nonce once more.
        let said = ask(&ping(&home, "right").await);
        assert_eq!((&said["status"], &said["verified"]), (&json!(401), &json!(1)), "{said}");
        assert!(said["body"].as_str().unwrap().contains("\"replayed\""));

        let mut more = ping(&home, "more").await;
        more["components"] = json!([
            "@path",
            "missive-destination",
            "@method",
            "missive-origin",
            "content-digest",
            "content-type",
            "@target-uri"
        ]);
        let said = ask(&more);
        assert_eq!((&said["status"], &said["verified"]), (&json!(200), &json!(1)), "{said}");

        let wrong: [(&str, u64, Alteration); 5] = [
            ("wrong_body", 1, |told| told["sent"] = json!(STANDARD.encode(b"[]"))),
            ("wrong_destination", 0, |told| told["headers"]["missive-destination"] = json!("three.example")),
            ("wrong_signature", 0, |told| told["url"] = json!("https://three.example/federation/v1/ping")),
            ("wrong_signature", 0, |told| told["secret"] = json!(STANDARD.encode([3; 32]))),
            ("unknown_key", 0, |told| told["keyId"] = json!("k2")),
        ];
        for (number, (code, verified, alter)) in wrong.into_iter().enumerate() {
            let mut told = ping(&home, &format!("wrong-{number}")).await;
            alter(&mut told);
            let said = ask(&told);
            assert_eq!((&said["status"], &said["verified"]), (&json!(401), &json!(verified)), "{said}");
            assert!(said["body"].as_str().unwrap().contains(&format!("\"{code}\"")), "{said}");
        }
    }
}
