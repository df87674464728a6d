//! Calls that fail, each for its own reason, in bounded time and memory.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::future::join_all;
use homeserver::{
    config::Federation,
    peers::outbound::{BaseUrl, Bounds, CallError, Outbound, OutboundError, Route, TlsProblem},
};
use missive_wire::ServerName;

use super::{
    server::{Authority, Server, Valid, federation},
    sockets::{self, Behaviour},
};

/// How long a call with such bounds may take on a busy machine: far less than what it would wait for.
const PATIENCE: Duration = Duration::from_secs(15);

const SHORT: Bounds = Bounds { time: Duration::from_secs(2), size: 64 * 1024 };

/// The way to a plain server on this machine, by an entry of `federation.resolve`.
fn plain(address: std::net::SocketAddr) -> Route {
    let name: ServerName = "two.example".parse().unwrap();
    let resolve = [(name.clone(), format!("http://{address}"))].into();
    Outbound::new(&Federation { resolve, ..federation() }).unwrap().fixed(&name).unwrap()
}

/// The way to a server by its name.
fn by_name(authority: &Authority, server: &Server) -> Route {
    let base = BaseUrl::of_server(&server.name()).unwrap();
    Outbound::new(&authority.federation()).unwrap().known(base)
}

async fn fails(route: &Route) -> CallError {
    match route.get("/", SHORT).await {
        Err(error) => error,
        Ok(incoming) => incoming.read().await.unwrap_err(),
    }
}

#[tokio::test]
async fn certificates_must_be_right() {
    let authority = Authority::new();
    let start = async |names: &[&str], valid| Server::start_as(&authority, names, valid).await;
    let good = start(&["localhost"], Valid::Now).await;
    let answer = by_name(&authority, &good).get("/", SHORT).await.unwrap();
    assert_eq!(answer.status, 200);
    for (server, problem) in [
        (start(&["localhost"], Valid::Formerly).await, TlsProblem::Expired),
        (start(&["localhost"], Valid::Later).await, TlsProblem::NotYetValid),
        (start(&["two.example"], Valid::Now).await, TlsProblem::OtherName),
        (Server::start(&Authority::new()).await, TlsProblem::UnknownIssuer),
    ] {
        assert_eq!(fails(&by_name(&authority, &server)).await, CallError::Tls(problem));
        assert_eq!(server.requests(), 0);
    }
    let plain = Server::start_plain().await;
    let error = fails(&by_name(&authority, &plain)).await;
    assert!(matches!(&error, CallError::Tls(TlsProblem::Other(_))), "{error}");
}

#[tokio::test]
async fn names_addresses_and_connections_fail_for_their_own_reasons() {
    let authority = Authority::new();
    let outbound = Outbound::new(&authority.federation()).unwrap();
    let call = async |url: &str| fails(&outbound.known(BaseUrl::https(url).unwrap())).await.code();
    assert_eq!(call("https://name.invalid").await, "name");
    assert_eq!(call("https://10.0.0.1").await, "refused_address");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(call(&format!("https://{closed}")).await, "connect");
    assert_eq!(call(&format!("https://localhost:{}", closed.port())).await, "connect");
    let strict = Outbound::new(&Federation { allow_networks: Vec::new(), ..authority.federation() }).unwrap();
    let by_name = strict.known(BaseUrl::https(&format!("https://localhost:{}", closed.port())).unwrap());
    assert_eq!(fails(&by_name).await.code(), "refused_address");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let authority = Authority::new();
    let (server, other) = (Server::start(&authority).await, Server::start(&authority).await);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("https://{}/", other.name());
        server.answer_with({
            let location = location.clone();
            move |_, _| Response::builder().status(status).header("location", &location).body("".into()).unwrap()
        });
        assert_eq!(fails(&by_name(&authority, &server)).await, CallError::Redirect { status, location });
    }
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn answers_are_bounded_whether_or_not_they_say_their_size() {
    let authority = Authority::new();
    let server = Server::start(&authority).await;
    let route = by_name(&authority, &server);
    for (size, fits) in [(SHORT.size, true), (SHORT.size + 1, false)] {
        for says in [true, false] {
            server.answer_with(move |_, _| {
                let whole = Bytes::from(vec![b'x'; size]);
                let parts = futures_util::stream::iter([Ok::<_, std::io::Error>(whole.clone())]);
                Response::new(if says { Body::from(whole) } else { Body::from_stream(parts) })
            });
            let answer = route.get("/", SHORT).await.unwrap();
            assert_eq!(answer.headers.contains_key("content-length"), says);
            let expected = if fits { Ok(size) } else { Err(CallError::TooLarge { limit: SHORT.size }) };
            assert_eq!(answer.read().await.map(|body| body.len()), expected);
        }
    }
}

/// Answers from servers that mean harm.
#[tokio::test]
async fn slow_and_endless_answers_end() {
    let cases = [
        (Behaviour::Silent, "timeout"),
        (Behaviour::SlowHead, "timeout"),
        (Behaviour::SlowBody, "timeout"),
        (Behaviour::EndlessHead, "broken"),
        (Behaviour::EndlessBody, "too_large"),
        (Behaviour::Promises(usize::MAX / 2), "too_large"),
        (Behaviour::Breaks, "broken"),
        (Behaviour::NotHttp, "broken"),
        (Behaviour::Closes, "broken"),
    ];
    let calls = cases.map(|(behaviour, code)| async move {
        let route = plain(sockets::start(behaviour).await);
        let begun = Instant::now();
        let error = fails(&route).await;
        assert_eq!(error.code(), code, "{behaviour:?}: {error}");
        assert!(begun.elapsed() < PATIENCE, "{behaviour:?} took {:?}", begun.elapsed());
    });
    join_all(calls).await;
}

/// A TLS handshake that never comes counts as well.
#[tokio::test]
async fn a_silent_server_ends_in_time_over_tls_too() {
    let address = sockets::start(Behaviour::Silent).await;
    let outbound = Outbound::new(&Authority::new().federation()).unwrap();
    let begun = Instant::now();
    let error = fails(&outbound.known(BaseUrl::https(&format!("https://{address}")).unwrap())).await;
    assert_eq!(error, CallError::Timeout { seconds: 2 });
    assert!(begun.elapsed() < PATIENCE);
}

/// A request that was answered by hanging up is not sent again below us: each attempt is signed anew.
#[tokio::test]
async fn nothing_is_sent_twice() {
    let requests = Arc::new(AtomicUsize::new(0));
    let address = sockets::start_counting(Behaviour::Closes, requests.clone()).await;
    let route = plain(address);
    for _ in 0..3 {
        fails(&route).await;
    }
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

/// The calls of another test, in a process whose environment has proxies that nobody answers at.
#[test]
fn no_proxy_is_asked() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "peers::outbound::redirects_are_not_followed"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        test.env(name, "http://127.0.0.1:1");
    }
    let output = test.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_wrong_configuration_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let with = |ca_file| Outbound::new(&Federation { ca_file: Some(ca_file), ..federation() }).map(drop).unwrap_err();
    assert!(matches!(with(path.clone()), OutboundError::CaFile { .. }));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(matches!(with(path), OutboundError::NoCertificate(_)));
    let resolve = [("two.example".parse().unwrap(), "https://two.example?x".to_owned())].into();
    let error = Outbound::new(&Federation { resolve, ..federation() }).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("federation.resolve of two.example: "), "{error}");
}
