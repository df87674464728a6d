//! Requests that are not as they should be: a clear error, nothing stored, the server stays up.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::common::{Home, PASSWORD, Reply, both, both_with};

const JSON: (&str, &str) = ("content-type", "application/json");

/// The routes that take a body without a token.
const OPEN: [&str; 2] = ["/api/v1/users", "/api/v1/tokens"];

async fn post(home: &Home, path: &str, body: &[u8]) -> Reply {
    home.send("POST", path, &[], body.to_vec()).await
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_malformed() {
    for home in both().await {
        let deep = "[".repeat(100_000).into_bytes();
        let invalid_utf8 = [br#"{"name": ""#.as_slice(), b"\xFF\xFE", br#"", "password": "correct horse"}"#].concat();
        let bodies: [&[u8]; 10] = [
            b"{",
            b"null",
            b"[]",
            b"\"alice\"",
            b"{}",
            b"\xEF\xBB\xBF{}",
            &deep,
            &invalid_utf8,
            br#"{"name": 1, "password": "correct horse"}"#,
            br#"{"name": "alice", "password": null}"#,
        ];
        for path in OPEN {
            for body in bodies {
                let reply = post(&home, path, body).await;
                let text = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
                assert_eq!((reply.status, reply.code()), (400, "malformed"), "{path} {text}: {}", reply.body);
                assert!(
                    reply.body["error"].as_str().is_some_and(|error| error.starts_with("the body is not as expected"))
                );
            }
            let reply = home.send("POST", path, &[JSON], Vec::new()).await;
            assert_eq!((reply.status, reply.code()), (400, "malformed"), "{path}: an empty body");
            let text = [("content-type", "text/plain")];
            let body = json!({ "name": "alice", "password": PASSWORD }).to_string();
            let reply = home.client.post(format!("{}{path}", home.url)).header(text[0].0, text[0].1).body(body);
            assert_eq!(reply.send().await.unwrap().status(), 400, "{path}: no JSON");
        }
        assert_eq!(home.try_log_in(&json!({ "name": "alice", "password": PASSWORD })).await.status, 401);
        home.register("alice").await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    for home in both().await {
        let body = json!({ "name": "alice", "password": "x".repeat(2 * 1024 * 1024) }).to_string();
        for path in OPEN {
            let reply = post(&home, path, body.as_bytes()).await;
            assert_eq!((reply.status, reply.code()), (413, "too_large"), "{path}");
        }
        home.register("alice").await;
    }
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    for home in both().await {
        home.register_with("alice", &json!({ "favouriteColour": ["blue"], "admin": true })).await;
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_answered_like_everything_else() {
    for home in both().await {
        for path in ["/nothing", "/api/v1", "/api/v1/users/a/b/c", "/api/v2/users", "/%FF"] {
            let reply = home.send("GET", path, &[], Vec::new()).await;
            assert_eq!((reply.status, reply.code()), (404, "not_found"), "{path}");
            assert!(reply.headers.contains_key("x-request-id"));
        }
        for (method, path) in [("DELETE", "/api/v1/users"), ("GET", "/api/v1/tokens"), ("BREW", "/api/v1/users")] {
            let reply = home.send(method, path, &[], Vec::new()).await;
            assert_eq!((reply.status, reply.code()), (405, "method_not_allowed"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn requests_of_one_source_are_limited() {
    for home in both_with(&["limits.requests_per_second=5"]).await {
        let mut codes = Vec::new();
        for _ in 0..30 {
            codes.push(home.get("/nothing").await.1["code"].as_str().unwrap().to_owned());
        }
        assert_eq!(codes[..5], ["not_found"; 5]);
        assert!(codes.iter().any(|code| code == "rate_limited"));
    }
}

#[tokio::test]
async fn noise_on_the_port_leaves_the_server_up() {
    for home in both().await {
        let address = home.url.strip_prefix("http://").unwrap().to_owned();
        let noise: [&[u8]; 5] = [
            b"\0\x01\x02\xFF\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST /api/v1/users HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
            b"POST /api/v1/users HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n",
            b"GET /api/v1/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xFF\r\nconnection: close\r\n\r\n",
        ];
        for bytes in noise {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            // The server may close hard: that is an answer too.
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        home.register("alice").await;
    }
}
