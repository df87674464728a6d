//! Signatures exchanged with an implementation of RFC 9421 that is not ours (the Python package
//! `http-message-signatures`): accepted when right, refused when wrong, in both directions.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use homeserver::{
    clock::Clock,
    peers::signature::{
        AnswerClaim, AnswerHead, LABEL, Reply, RequestClaim, RequestHead, SignatureError, SignedRequest,
    },
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use missive_wire::ServerName;
use serde_json::{Value, json};

use super::{
    python::{Python, headers},
    signatures::{BODY, PATH, key, server, sign, signed_at},
};

fn told_headers(headers: &HeaderMap) -> Value {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn told_request(request: &RequestHead, body: &[u8]) -> Value {
    json!({
        "method": request.method.as_str(),
        "url": format!("https://{}{}", request.server, request.path_and_query),
        "headers": told_headers(request.headers),
        "body": STANDARD.encode(body),
    })
}

fn told_answer(status: u16, headers: &HeaderMap, request: &RequestHead, body: &[u8]) -> Value {
    json!({
        "status": status,
        "headers": told_headers(headers),
        "request": told_request(request, b""),
        "body": STANDARD.encode(body),
        "label": LABEL,
    })
}

/// Seconds since the epoch. The other implementation asks its own clock.
fn now() -> i64 {
    Clock::default().now().millis() / 1_000
}

#[test]
fn our_requests_are_verified_there() {
    let Some(mut python) = Python::start() else { return };
    let request = signed_at(now(), 1);
    let right = told_request(&request.head(), BODY);
    python.accepts(right.clone(), "a1", 1).unwrap();

    let mut wrong = vec![(right.clone(), 2)];
    for (member, value) in [
        ("method", json!("PUT")),
        ("url", json!(format!("https://three.example{PATH}"))),
        ("url", json!("https://two.example/federation/v1/ping")),
        ("body", json!(STANDARD.encode(b"{}"))),
    ] {
        let mut altered = right.clone();
        altered[member] = value;
        wrong.push((altered, 1));
    }
    for (name, value) in [("missive-origin", "three.example"), ("content-type", "text/plain")] {
        let mut altered = right.clone();
        altered["headers"][name] = json!(value);
        wrong.push((altered, 1));
    }
    wrong.push((told_request(&signed_at(now() - 400, 1).head(), BODY), 1));
    for (told, seed) in wrong {
        python.accepts(told, "a1", seed).unwrap_err();
    }
}

#[test]
fn our_answers_are_verified_there() {
    let Some(mut python) = Python::start() else { return };
    let (request, other) = (signed_at(now(), 1), signed_at(now() - 1, 1));
    let reply = Reply { request: request.head(), label: LABEL, status: StatusCode::OK, body: BODY };
    let headers = reply.sign("b1", sign(2), Clock::default().now()).unwrap();
    python.accepts(told_answer(200, &headers, &request.head(), BODY), "b1", 2).unwrap();

    for (told, seed) in [
        (told_answer(200, &headers, &request.head(), BODY), 1),
        (told_answer(202, &headers, &request.head(), BODY), 2),
        (told_answer(200, &headers, &other.head(), BODY), 2),
        (told_answer(200, &headers, &request.head(), b"{}"), 2),
    ] {
        python.accepts(told, "b1", seed).unwrap_err();
    }
}

/// A request signed there, for two.example.
fn signed_there(python: &mut Python, alter: impl FnOnce(&mut Value)) -> SignedRequest {
    let bare: HeaderMap = headers(&json!({
        "content-type": "application/json",
        "missive-origin": "three.example",
        "missive-destination": "two.example",
    }));
    let destination: ServerName = server("two.example");
    let head = RequestHead { method: &Method::POST, server: &destination, path_and_query: PATH, headers: &bare };
    let mut told = told_request(&head, BODY);
    told["created"] = json!(now());
    told["expires"] = json!(now() + 60);
    told["nonce"] = json!("from-python");
    alter(&mut told);
    let headers = python.sign(told, "c1", 3);
    SignedRequest { method: Method::POST, path_and_query: PATH.to_owned(), destination: destination.clone(), headers }
}

/// A change, and the code of the refusal that follows.
type Case<T> = (fn(&mut T), &'static str);

#[test]
fn requests_signed_there_are_verified_here() {
    let Some(mut python) = Python::start() else { return };
    let read = |request: &SignedRequest| RequestClaim::read(&request.head(), Clock::default().now());
    let verified =
        |request: &SignedRequest, seed| read(request).and_then(|claim| claim.verify(&key(seed).verifying_key()));
    let request = signed_there(&mut python, |_| {});
    let good = verified(&request, 3).unwrap();
    good.digest.check(BODY).unwrap();
    assert_eq!(
        (good.origin.as_str(), good.nonce.as_str(), good.label.as_str()),
        ("three.example", "from-python", "python")
    );

    // More components, in another order, under another label.
    let more = |told: &mut Value| {
        told["signAs"] = json!("x-1.y_*");
        told["components"] = json!([
            "missive-destination",
            "@query",
            "@authority",
            "missive-origin",
            "@method",
            "@path",
            "content-digest",
            "@scheme",
            "@request-target",
            "content-type",
            "@target-uri",
            "\"content-digest\";key=\"sha-256\""
        ]);
    };
    verified(&signed_there(&mut python, more), 3).unwrap();

    assert_eq!(verified(&request, 1).unwrap_err(), SignatureError::WrongSignature);
    let altered: [Case<SignedRequest>; 4] = [
        (|request| request.method = Method::PUT, "wrong_signature"),
        (|request| request.path_and_query.push('x'), "wrong_signature"),
        (
            |request| drop(request.headers.insert("missive-origin", HeaderValue::from_static("x.example"))),
            "wrong_signature",
        ),
        (|request| drop(request.headers.remove("signature")), "no_signature"),
    ];
    for (alter, code) in altered {
        let mut request = request.clone();
        alter(&mut request);
        assert_eq!(verified(&request, 3).unwrap_err().code(), code);
    }
    let refused: [Case<Value>; 5] = [
        (|told| told["components"] = json!(["@method", "@target-uri", "content-digest"]), "missing_component"),
        (|told| drop(told.as_object_mut().unwrap().remove("nonce")), "missing_parameter"),
        (|told| told["created"] = json!(now() + 600), "invalid_lifetime"),
        (|told| (told["created"], told["expires"]) = (json!(now() + 90), json!(now() + 100)), "clock_skew"),
        (|told| (told["created"], told["expires"]) = (json!(now() - 100), json!(now() - 10)), "signature_expired"),
    ];
    for (alter, code) in refused {
        assert_eq!(read(&signed_there(&mut python, alter)).unwrap_err().code(), code);
    }
}

#[test]
fn answers_signed_there_are_verified_here() {
    let Some(mut python) = Python::start() else { return };
    let (request, other) = (signed_at(now(), 1), signed_at(now() - 1, 1));
    let bare = headers(&json!({"content-type": "application/json"}));
    let mut told = told_answer(200, &bare, &request.head(), BODY);
    told["created"] = json!(now());
    let headers = python.sign(told, "b1", 2);
    let verified = |status, request: &SignedRequest, seed| {
        let head = AnswerHead { status, headers: &headers, request: request.head() };
        AnswerClaim::read(&head, LABEL, Clock::default().now())
            .and_then(|claim| claim.verify(&key(seed).verifying_key()))
    };
    verified(StatusCode::OK, &request, 2).unwrap().digest.check(BODY).unwrap();
    for (status, request, seed) in
        [(StatusCode::OK, &request, 1), (StatusCode::CREATED, &request, 2), (StatusCode::OK, &other, 2)]
    {
        assert_eq!(verified(status, request, seed).unwrap_err(), SignatureError::WrongSignature);
    }
}
