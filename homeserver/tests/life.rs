//! A homeserver's life as its admin sees it: how it starts, what it refuses to start with, what it says of itself.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use process::{Database, Homeserver, Kind, Person};
use serde_json::{Value, json};

on_both_databases!(
    it_describes_itself,
    every_answer_has_a_request_id_that_the_log_knows,
    a_stopped_server_starts_again
);

async fn get(url: &str) -> (u16, reqwest::header::HeaderMap, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
}

async fn it_describes_itself(kind: Kind) {
    let metrics = format!("127.0.0.1:{}", free_port());
    let Some(server) = Homeserver::start_with(kind, &[&format!("metrics_listen={metrics}")]).await else { return };
    let (status, _, body) = get(&format!("{}/health/live", server.url)).await;
    assert_eq!(status, 200, "{body}");
    let (status, _, body) = get(&format!("{}/health/ready", server.url)).await;
    let ready: Value = serde_json::from_str(&body).unwrap();
    let parts = ["database", "migrations", "disk", "followers"];
    assert_eq!((status, &ready["data"]["ready"]), (200, &json!(true)), "{body}");
    assert!(parts.iter().all(|part| ready["data"][part] == "ok"), "{body}");

    let (_, _, body) = get(&format!("{}/api/openapi.json", server.url)).await;
    let document: Value = serde_json::from_str(&body).unwrap();
    for (path, methods) in [
        ("/api/v1/users", &["get", "post"][..]),
        ("/api/v1/users/{id}", &["get", "patch", "delete"]),
        ("/api/v1/users/{id}/sessions", &["get"]),
        ("/api/v1/users/{id}/sessions/{sid}", &["delete"]),
        ("/api/v1/tokens", &["post", "put", "delete"]),
        ("/api/v1/users/{name}/keys", &["get", "post", "patch"]),
        ("/api/v1/users/{name}/keys/count", &["get"]),
        ("/api/v1/users/{name}/identity", &["post"]),
        ("/api/v1/users/{name}/messages", &["get", "delete"]),
        ("/api/v1/users/{name}/messages/status", &["get", "delete"]),
        ("/.well-known/missive/server", &["get"]),
        ("/federation/v1/keys", &["get"]),
        ("/health/ready", &["get"]),
    ] {
        for method in methods {
            assert!(document["paths"][path][method].is_object(), "{method} {path} is not described");
        }
    }
    let (status, headers, _) = get(&format!("{}/api/docs/", server.url)).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/html"));
    let (_, _, keys) = get(&format!("{}/.well-known/jwks.json", server.url)).await;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert_eq!((&keys["keys"][0]["crv"], &keys["keys"][0]["alg"]), (&json!("Ed25519"), &json!("EdDSA")));
    let (_, _, numbers) = get(&format!("http://{metrics}/metrics")).await;
    assert!(numbers.contains("http_requests_total{") && numbers.contains("route=\"/health/live\""), "{numbers}");
}

async fn every_answer_has_a_request_id_that_the_log_knows(kind: Kind) {
    let Some(server) = Homeserver::start(kind).await else { return };
    for path in ["/health/live", "/nowhere", "/api/v1/users", "/api/openapi.json", "/"] {
        let (status, headers, body) = get(&format!("{}{path}", server.url)).await;
        let id = headers["x-request-id"].to_str().unwrap();
        assert!(server.log().contains(id), "{path}: {id} is not in the log");
        if status >= 400 {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert!(body["error"].is_string() && body["code"].is_string(), "{path}: {body}");
        }
    }
}

async fn a_stopped_server_starts_again(kind: Kind) {
    let Some(mut server) = Homeserver::start(kind).await else { return };
    let mut alice = Person::register(&server, "alice").await;
    let incarnation = hello(&alice).await;
    server.stop();
    server.restart();
    alice.follow(&server);
    assert_eq!(hello(&alice).await, incarnation, "tokens and incarnation outlive a restart");
}

async fn hello(person: &Person) -> Value {
    person.open().await.next().await["hello"]["incarnation"].clone()
}

/// Runs the homeserver until it ends by itself.
fn refused(directory: &Path, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_homeserver"))
        .current_dir(directory)
        .env("MISSIVE_LISTEN", "127.0.0.1:0")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_start_with_is_said_with_the_way_out() {
    let mut server = Homeserver::start(Kind::Sqlite).await.unwrap();
    let directory = server.directory.path().to_owned();
    let data = process::data_arguments(&directory, &server.database);
    let data = data.iter().map(String::as_str).collect::<Vec<_>>();

    let text = refused(&directory, &data);
    assert!(text.contains("another homeserver is running on") && text.contains("stop that one"), "{text}");
    let elsewhere = tempfile::tempdir().unwrap();
    let other_data_dir = ["--database-url", &server.database.url, "--server-name", process::SERVER_NAME];
    let text = refused(elsewhere.path(), &other_data_dir);
    assert!(text.contains("another homeserver is running on"), "one database, two data directories: {text}");

    server.stop();
    let other_name = [&data[..4], &["--server-name", "two.example"]].concat();
    let text = refused(&directory, &other_name);
    assert!(text.contains("belongs to the homeserver one.example"), "{text}");

    let key = directory.join("master.key");
    let right = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let text = refused(&directory, &data);
    assert!(text.contains("master.key is missing") && text.contains("backup"), "{text}");
    assert!(!key.exists(), "no new key is made for an old database");
    fs::write(&key, "not a key").unwrap();
    assert!(refused(&directory, &data).contains("32 bytes in base64"));
    fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    assert!(refused(&directory, &data).contains("does not fit the database"));
    fs::write(&key, right).unwrap();

    let taken = server.url.trim_start_matches("http://").to_owned();
    let _holder = std::net::TcpListener::bind(&taken).unwrap();
    let text = refused(&directory, &[&data[..], &["--listen", &taken]].concat()[..]);
    assert!(text.contains("cannot listen on"), "{text}");
    server.restart();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_settings_it_makes_what_it_needs_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut process = Command::new(env!("CARGO_BIN_EXE_homeserver"))
        .current_dir(directory.path())
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = format!("http://127.0.0.1:{port}/health/ready");
    let mut tries = 0;
    while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200) {
        tries += 1;
        assert!(tries < 1_000, "it does not serve");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for file in ["master.key", "homeserver.db"] {
        let mode = fs::metadata(directory.path().join("data").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} is for its owner only");
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_served_with_the_configured_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings = [format!("tls.cert_file={}", cert.display()), format!("tls.key_file={}", key.display())];
    let server = Homeserver::start_with(Kind::Sqlite, &[&settings[0], &settings[1]]).await.unwrap();
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let port = server.url.rsplit(':').next().unwrap();
    let answer = client.get(format!("https://localhost:{port}/health/ready")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_allowed_are_closed_at_once() {
    let server = Homeserver::start_with(Kind::Sqlite, &["limits.connections=2"]).await.unwrap();
    let address = server.url.trim_start_matches("http://").to_owned();
    let request = b"GET /health/live HTTP/1.1\r\nhost: one.example\r\n\r\n";
    let ask = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(request);
        stream.read(&mut [0; 1024]).unwrap_or_default()
    };
    let mut open = [TcpStream::connect(&address).unwrap(), TcpStream::connect(&address).unwrap()];
    assert!(open.iter_mut().all(|stream| ask(stream) > 0));
    assert_eq!(ask(&mut TcpStream::connect(&address).unwrap()), 0, "the third gets no answer");
    drop(open);
    let mut answered = 0;
    for _ in 0..500 {
        answered = ask(&mut TcpStream::connect(&address).unwrap());
        if answered > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(answered > 0, "closed connections make room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooding_socket_is_closed_with_4429() {
    let server = Homeserver::start_with(Kind::Sqlite, &["limits.frames_per_second=10"]).await.unwrap();
    let alice = Person::register(&server, "alice").await;
    let (mut socket, _) = alice.connect().await;
    for _ in 0..50 {
        socket.send(json!({"receiver": "nobody", "content": "QUJD"})).await;
    }
    assert_eq!(socket.closed().await, 4429);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let url = format!("postgres://user:hidden-secret@127.0.0.1:{port}/missive");
    let database = Database { kind: Kind::Postgres, url };
    let data = process::data_arguments(directory.path(), &database);
    let text = refused(directory.path(), &data.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(text.contains("cannot be opened") && text.contains("database_url"), "{text}");
    assert!(!text.contains("hidden-secret"), "{text}");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
