//! Requests that were changed after they were signed, and bodies that are not what they should be.

use super::{
    draft::{Draft, Signed, digest},
    peer::{Peer, homes},
};

#[tokio::test]
async fn what_was_changed_on_the_way_is_refused() {
    let (two, three) = (Peer::start("two.example", 2).await, Peer::start("three.example", 3).await);
    for home in homes(&[&two, &three], &[]).await {
        let alterations: [fn(&mut Signed); 9] = [
            |request| request.path = "/federation/v1/wake".into(),
            |request| request.path.push_str("?a"),
            |request| request.path.push('/'),
            |request| request.method = "PUT",
            |request| request.set("content-type", "text/plain"),
            |request| request.set("missive-origin", "three.example"),
            |request| request.set("content-digest", &digest(b"{\"a\":1}")),
            |request| {
                let input = request.headers["signature-input"].to_str().unwrap().replace("nonce=\"", "nonce=\"x");
                request.set("signature-input", &input);
            },
            |request| {
                let input = request.headers["signature-input"].to_str().unwrap().to_owned();
                request.set("signature-input", &format!("{input};more"));
            },
        ];
        for (number, alter) in alterations.into_iter().enumerate() {
            let mut request = Draft::ping(&home).sign();
            alter(&mut request);
            let answer = request.send(&home).await;
            assert_eq!((answer.says(), answer.signed), ((401, "wrong_signature"), false), "{number}");
        }
    }
}

#[tokio::test]
async fn another_body_is_refused_by_a_signed_answer() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        for body in [&b"{\"a\":1}"[..], b"", b"{} "] {
            let mut request = Draft::ping(&home).sign();
            request.body = body.to_vec();
            let answer = request.send(&home).await;
            assert_eq!((answer.says(), answer.signed), ((401, "wrong_body"), true));
        }
    }
}

#[tokio::test]
async fn bodies_have_a_form_and_a_bound() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let largest = format!("{{\"later\":\"{}\"}}", "x".repeat(1024 * 1024 - 12));
        assert_eq!(largest.len(), 1024 * 1024);
        let deep = format!("{{\"later\":{}{}}}", "[".repeat(400_000), "]".repeat(400_000));
        for (body, says) in [
            (format!("{largest} "), (413, "too_large")),
            (deep, (400, "malformed")),
            ("null".to_owned(), (400, "malformed")),
            ("{".to_owned(), (400, "malformed")),
        ] {
            let answer = Draft { body: body.into_bytes(), ..Draft::ping(&home) }.send(&home).await;
            assert_eq!((answer.says(), answer.signed), (says, true));
        }
        for content_type in ["text/plain", "application/jsonp", "multipart/form-data; boundary=x"] {
            let answer = Draft { content_type, ..Draft::ping(&home) }.send(&home).await;
            assert_eq!((answer.says(), answer.signed), ((415, "content_type"), true), "{content_type}");
        }
        let answer = Draft { body: largest.into_bytes(), ..Draft::ping(&home) }.send(&home).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{answer:?}");
    }
}
