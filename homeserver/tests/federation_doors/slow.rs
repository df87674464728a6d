//! Bodies that do not come, and places that they take.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    draft::{Draft, Signed},
    peer::{Peer, homes},
};
use crate::common::Home;

/// Sends the head of a request, and nothing of its body.
async fn begin(home: &Home, request: &Signed) -> TcpStream {
    let mut head = format!("{} {} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        head.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    let mut stream = TcpStream::connect(home.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await.into_iter().take(1) {
        let started = Instant::now();
        let mut stream = begin(&home, &Draft::ping(&home).sign()).await;
        stream.write_all(b"{").await.unwrap();
        let mut answer = vec![0; 4096];
        let size = timeout(Duration::from_mins(1), stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..size]);
        let signed = answer.contains("retry-after") && answer.contains("signature-input: missive=");
        assert!(answer.starts_with("HTTP/1.1 503") && signed, "{answer}");
        assert!(started.elapsed() > Duration::from_secs(8));
    }
}

#[tokio::test]
async fn a_server_takes_no_more_than_its_places() {
    let (two, three) = (Peer::start("two.example", 2).await, Peer::start("three.example", 3).await);
    for home in homes(&[&two, &three], &[]).await {
        assert_eq!(Draft::ping(&home).send(&home).await.status, 200);
        let mut streams = Vec::new();
        for _ in 0..64 {
            streams.push(begin(&home, &Draft::ping(&home).sign()).await);
        }
        // All have been let in once another is not.
        let deadline = Instant::now() + Duration::from_secs(15);
        let full = loop {
            let answer = Draft::ping(&home).send(&home).await;
            if answer.status != 200 || Instant::now() > deadline {
                break answer;
            }
        };
        assert_eq!((full.says(), full.signed), ((503, "busy"), true));
        assert!(full.retry_after().is_some());
        let other = Draft { origin: "three.example".into(), seed: 3, ..Draft::ping(&home) };
        assert_eq!(other.send(&home).await.status, 200);
        // Whoever goes leaves a place.
        drop(streams);
        let freed = async {
            while Draft::ping(&home).send(&home).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(15), freed).await.unwrap();
    }
}
