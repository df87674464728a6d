//! Headers that are no headers: whatever comes, there is an answer, and the server stays up.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    draft::Draft,
    peer::{Peer, homes},
};
use crate::common::Home;

/// The bytes of a request, and where its headers begin.
fn bytes(home: &Home) -> (Vec<u8>, usize) {
    let request = Draft::ping(home).sign();
    let line = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n", request.path);
    let mut text = line.clone().into_bytes();
    for (name, value) in &request.headers {
        text.extend(format!("{name}: ").bytes());
        text.extend(value.as_bytes());
        text.extend(b"\r\n");
    }
    text.extend(b"\r\n{}");
    (text, line.len())
}

/// The status of the answer; `None` where there was none.
async fn send(home: &Home, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(home.url.strip_prefix("http://").unwrap()).await.unwrap();
    // It may be refused before it is sent whole.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    // What is not whole is waited for.
    let _ = timeout(Duration::from_millis(500), stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.strip_prefix("HTTP/1.1 ").map(|rest| rest[..3].parse().unwrap())
}

#[tokio::test]
async fn mutations_of_a_request_are_answered_or_refused() {
    const LETTERS: &[u8] = b"\"()=;:,*@?\\ \tazAZ09-._~\x00\x7F\x80\xFF\r\n";
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let mut random = StdRng::seed_from_u64(42);
        for round in 0..300 {
            let (mut text, headers) = bytes(&home);
            for _ in 0..random.random_range(1..4) {
                let place = random.random_range(headers..text.len() - 6);
                let letter = LETTERS[random.random_range(0..LETTERS.len())];
                match random.random_range(0..3) {
                    0 => text[place] = letter,
                    1 => text.insert(place, letter),
                    _ => drop(text.remove(place)),
                }
            }
            let status = send(&home, &text).await;
            let fine = status.is_none_or(|status| status == 200 || (400..500).contains(&status) || status == 503);
            assert!(fine, "round {round}: {status:?}\n{}", String::from_utf8_lossy(&text));
        }
        assert_eq!(Draft::ping(&home).send(&home).await.status, 200);
    }
}

/// A stranger who names a server and goes away at once does not keep it from being found.
#[tokio::test]
async fn a_server_is_looked_for_to_the_end() {
    let peer = Peer::start("two.example", 2).await;
    for (asked, home) in homes(&[&peer], &[]).await.into_iter().enumerate() {
        let mut stream = TcpStream::connect(home.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(&bytes(&home).0).await.unwrap();
        drop(stream);
        // Whoever comes meanwhile is to come again.
        let found = async {
            while Draft::ping(&home).send(&home).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(10), found).await.unwrap();
        assert_eq!(peer.requests(), asked + 1);
    }
}

#[tokio::test]
async fn large_and_many_headers_are_refused() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let cases = [
            ("signature-input", format!("sig=({})", "\"a\" ".repeat(2_100)), "signature_too_large"),
            (
                "signature-input",
                format!("sig=({});tag=\"missive-federation\"", "\"a\" ".repeat(40)),
                "signature_too_large",
            ),
            ("signature", format!("sig=:{}:", "A".repeat(9_000)), "signature_too_large"),
            ("content-digest", "sha-256=1".to_owned(), "no_digest"),
            ("content-digest", "sha-256=:AAEC:".to_owned(), "no_digest"),
            ("content-digest", "md5=:AAEC:".to_owned(), "no_digest"),
            ("signature", "sig=(".to_owned(), "malformed_signature"),
        ];
        for (name, value, code) in cases {
            let mut request = Draft::ping(&home).sign();
            request.set(name, &value);
            assert_eq!(request.send(&home).await.says(), (401, code), "{name}");
        }
        let (text, headers) = bytes(&home);
        let padded = |size: usize| {
            [&text[..headers], format!("x: {}\r\n", "x".repeat(size)).as_bytes(), &text[headers..]].concat()
        };
        assert_eq!(send(&home, &padded(30_000)).await, Some(200));
        assert_eq!(send(&home, &padded(70_000)).await, Some(431));
    }
}
