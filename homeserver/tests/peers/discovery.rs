//! Finding servers: what is believed of their documents, why each failure is one, and how seldom they are asked.

use std::time::Duration;

use axum::{body::Body, response::Response};
use homeserver::peers::discovery::{Asker, Failed, Reason};
use homeserver::peers::policy::Denied;
use missive_wire::ServerName;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    server::{Authority, KEYS, Server, WELL_KNOWN, peers, well_known, wire},
    trust::{day, entry},
};

/// A server that publishes its document with some members set anew.
async fn altered(authority: &Authority, members: Value) -> Server {
    let server = Server::start(authority).await;
    let mut document = well_known(&server);
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    server.publish(&[(WELL_KNOWN, document)]);
    server
}

/// Why one.example does not find a server that publishes such a document.
async fn refused(members: Value) -> Reason {
    let authority = Authority::new();
    let server = altered(&authority, members).await;
    let failed = peers(&authority.federation()).0.discovery.find(&server.name(), Asker::Own).await.unwrap_err();
    assert_eq!((failed.server, failed.retry_after), (server.name(), None));
    failed.reason
}

#[tokio::test]
async fn a_server_is_found_with_its_keys_in_one_document_or_two() {
    let authority = Authority::new();
    for two in [false, true] {
        let server = Server::start(&authority).await;
        let mut document = well_known(&server);
        if two {
            let keys = document.as_object_mut().unwrap().remove("keys").unwrap();
            server.publish(&[(WELL_KNOWN, document), (KEYS, json!({"data": {"keys": keys}}))]);
        } else {
            server.publish(&[(WELL_KNOWN, document)]);
        }
        let (peers, _) = peers(&authority.federation());
        let found = peers.discovery.find(&server.name(), Asker::Own).await.unwrap();
        assert_eq!(
            (found.base.to_string(), &found.keys.keys),
            (format!("https://{}", server.name()), &vec![entry(1, 0)])
        );
        assert_eq!(server.requests(), if two { 2 } else { 1 });
    }
}

#[tokio::test]
async fn documents_that_are_not_this_servers_or_not_understood() {
    assert_eq!(
        refused(json!({"serverName": "other.example"})).await,
        Reason::WrongServerName { named: "other.example".parse().unwrap() }
    );
    let versions = json!({"versions": ["2", "3"]});
    assert_eq!(refused(versions).await, Reason::Version { theirs: vec!["2".into(), "3".into()] });
    assert_eq!(refused(json!({"versions": []})).await, Reason::Version { theirs: vec![] });
    for url in ["http://two.example", "https://two.example?x", "two.example"] {
        let reason = refused(json!({"baseUrl": url})).await;
        assert!(matches!(&reason, Reason::BaseUrl { url: theirs, .. } if theirs == url), "{reason}");
    }
    let mut short = wire(entry(1, 0));
    short.public_key.0.pop();
    assert_eq!(refused(json!({"keys": [short]})).await.code(), "invalid_keys");
    for malformed in [json!({"keys": "none"}), json!({"serverName": 7}), json!({"baseUrl": null})] {
        assert_eq!(refused(malformed).await.code(), "malformed_document");
    }
    let deep: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let reason = refused(json!({"later": deep})).await;
    assert!(reason.to_string().contains("nested deeper"), "{reason}");
    let (later, earlier) = (wire(entry(1, 3)), wire(entry(1, -100)));
    assert_eq!(refused(json!({"keys": [later]})).await, Reason::Clock { valid_from: day(3) });
    assert_eq!(refused(json!({"keys": [earlier]})).await, Reason::KeysEnded { valid_until: day(0) });
}

#[tokio::test]
async fn a_server_without_keys_or_documents() {
    let authority = Authority::new();
    let server = altered(&authority, json!({"keys": []})).await;
    let find = async |server: &Server| {
        let failed = peers(&authority.federation()).0.discovery.find(&server.name(), Asker::Own).await.unwrap_err();
        failed.reason.code()
    };
    assert_eq!(find(&server).await, "status");
    server.publish(&[(WELL_KNOWN, without_keys(&server)), (KEYS, json!({"data": {"keys": []}}))]);
    assert_eq!(find(&server).await, "no_keys");
    server.publish(&[]);
    assert_eq!(find(&server).await, "status");
    server.answer_with(|_, _| Response::new("<html>a web site</html>".into()));
    assert_eq!(find(&server).await, "malformed_document");
}

fn without_keys(server: &Server) -> Value {
    let mut document = well_known(server);
    document.as_object_mut().unwrap().remove("keys");
    document
}

/// `federation.resolve` says where to connect, and what the document says of that is passed over.
#[tokio::test]
async fn resolve_entries_go_before_names_and_base_urls() {
    let authority = Authority::new();
    let name: ServerName = "two.example:8448".parse().unwrap();
    let document = |server: &Server| {
        let mut document = well_known(server);
        document["serverName"] = json!(name);
        document["baseUrl"] = json!("https://elsewhere.example");
        document
    };
    // A private address with a certificate for the server's name; a name with one for that name; plain HTTP.
    let literal = Server::start_as(&authority, &["two.example"], super::server::Valid::Now).await;
    let named = Server::start(&authority).await;
    let plain = Server::start_plain().await;
    for (server, url) in [
        (&literal, format!("https://{}", literal.address)),
        (&named, format!("https://localhost:{}", named.address.port())),
        (&plain, format!("http://{}", plain.address)),
        (&plain, format!("http://localhost:{}", plain.address.port())),
    ] {
        server.publish(&[(WELL_KNOWN, document(server))]);
        let mut federation = authority.federation();
        federation.allow_networks.clear();
        federation.resolve.insert(name.clone(), url.clone());
        let found = peers(&federation).0.discovery.find(&name, Asker::Own).await.unwrap();
        assert_eq!(found.keys.keys, [entry(1, 0)], "{url}");
    }
    // The certificate of an address must be for the server's name.
    let mut federation = authority.federation();
    federation.resolve.insert(name.clone(), format!("https://{}", named.address));
    let failed = peers(&federation).0.discovery.find(&name, Asker::Own).await.unwrap_err();
    assert!(failed.to_string().contains("not for that name"), "{failed}");
}

#[tokio::test]
async fn an_entry_of_resolve_opens_its_address_to_that_server_alone() {
    let authority = Authority::new();
    let server = Server::start(&authority).await;
    server.publish(&[(WELL_KNOWN, well_known(&server))]);
    let mut federation = authority.federation();
    federation.allow_networks.clear();
    federation.resolve.insert("two.example".parse().unwrap(), format!("https://{}", server.name()));
    let failed = peers(&federation).0.discovery.find(&server.name(), Asker::Own).await.unwrap_err();
    assert_eq!((failed.reason.code(), server.requests()), ("refused_address", 0), "{failed}");
}

#[tokio::test]
async fn a_base_url_inside_our_network_is_not_called() {
    let authority = Authority::new();
    let inside = Server::start(&authority).await;
    let server = Server::start(&authority).await;
    let mut federation = authority.federation();
    for (base, code) in [
        ("https://10.0.0.1", "refused_address"),
        ("https://169.254.169.254/latest", "refused_address"),
        ("https://[::ffff:127.0.0.1]", "refused_address"),
        ("https://0x0a.1", "refused_address"),
    ] {
        let mut document = without_keys(&server);
        document["baseUrl"] = json!(base);
        server.publish(&[(WELL_KNOWN, document)]);
        let failed = peers(&federation).0.discovery.find(&server.name(), Asker::Own).await.unwrap_err();
        assert_eq!(failed.reason.code(), code, "{base}: {failed}");
    }
    federation.allow_networks.clear();
    let failed = peers(&federation).0.discovery.find(&inside.name(), Asker::Own).await.unwrap_err();
    assert_eq!((failed.reason.code(), inside.requests()), ("refused_address", 0), "{failed}");
}

#[tokio::test]
async fn what_is_found_is_used_for_an_hour_and_for_a_day_where_it_is_gone() {
    let authority = Authority::new();
    let server = altered(&authority, json!({})).await;
    let (peers, clock) = peers(&authority.federation());
    let name = server.name();
    let find = || peers.discovery.find(&name, Asker::Own);
    let first = find().await.unwrap();
    clock.advance(60 * 60 * 1_000 - 1);
    assert_eq!((find().await.unwrap(), server.requests()), (first.clone(), 1));
    clock.advance(1);
    let second = find().await.unwrap();
    assert_eq!((server.requests(), second.fetched_at.millis() - first.fetched_at.millis()), (2, 3_600_000));

    server.publish(&[]);
    clock.advance(60 * 60 * 1_000);
    assert_eq!((find().await.unwrap(), server.requests()), (second.clone(), 3));
    // Having failed, it is not asked again at once.
    assert_eq!((find().await.unwrap(), server.requests()), (second.clone(), 3));
    clock.advance(23 * 60 * 60 * 1_000 - 1);
    assert_eq!(find().await.unwrap(), second);
    clock.advance(60_000);
    assert_eq!(find().await.unwrap_err().reason.code(), "status");
}

/// As where the web site of the name is down, and the homeserver is not.
#[tokio::test]
async fn a_document_that_does_not_come_keeps_nobody_waiting_who_knows_the_server() {
    let authority = Authority::new();
    let server = altered(&authority, json!({})).await;
    let (peers, clock) = peers(&authority.federation());
    let name = server.name();
    let find = || peers.discovery.find(&name, Asker::Own);
    let first = find().await.unwrap();
    let nothing = || Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    server.answer_with(move |_, _| Response::new(nothing()));
    clock.advance(60 * 60 * 1_000);
    for _ in 0..3 {
        let found = tokio::time::timeout(Duration::from_secs(5), find()).await.unwrap();
        assert_eq!((found.unwrap(), server.requests()), (first.clone(), 2));
        peers.discovery.hear(&name);
        clock.advance(2_000);
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_every_fifteen_seconds_at_most() {
    let authority = Authority::new();
    let server = altered(&authority, json!({})).await;
    let (peers, clock) = peers(&authority.federation());
    let name = server.name();
    let look_again = || peers.discovery.look_again(&name, Asker::Own);
    let first = peers.discovery.find(&name, Asker::Own).await.unwrap();
    let mut document = well_known(&server);
    document["keys"] = json!([wire(entry(1, 0)), wire(entry(2, 1))]);
    server.publish(&[(WELL_KNOWN, document)]);
    for _ in 0..20 {
        assert_eq!(look_again().await.unwrap(), first);
    }
    clock.advance(14_999);
    assert_eq!((look_again().await.unwrap(), server.requests()), (first.clone(), 1));
    clock.advance(1);
    let (again, _) = tokio::join!(look_again(), look_again());
    assert_eq!((again.unwrap().keys.keys.len(), server.requests()), (2, 2));
    assert_eq!(peers.discovery.find(&name, Asker::Own).await.unwrap().keys.keys.len(), 2);
    // An admin need not wait.
    peers.discovery.forget(&name);
    peers.discovery.find(&name, Asker::Own).await.unwrap();
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn failures_are_remembered_longer_and_longer() {
    let authority = Authority::new();
    let server = Server::start(&authority).await;
    server.publish(&[]);
    let (peers, clock) = peers(&authority.federation());
    let name = server.name();
    let find = || async { peers.discovery.find(&name, Asker::Own).await.unwrap_err() };
    for (asked, pause) in [(1, 15), (2, 30), (3, 60), (4, 60)] {
        assert_eq!(find().await.retry_after, None);
        let remembered = find().await;
        assert_eq!((remembered.retry_after, remembered.reason.code()), (Some(pause), "status"));
        assert_eq!(server.requests(), asked);
        clock.advance(i64::try_from(pause).unwrap() * 1_000 - 1);
        assert_eq!(find().await.retry_after, Some(1));
        clock.advance(1);
    }
    // When it is back, it is believed at the next question.
    server.publish(&[(WELL_KNOWN, well_known(&server))]);
    peers.discovery.find(&name, Asker::Own).await.unwrap();
}

#[tokio::test]
async fn a_server_that_signs_something_is_asked_again_soon() {
    let authority = Authority::new();
    let server = Server::start(&authority).await;
    server.publish(&[]);
    let (peers, clock) = peers(&authority.federation());
    let name = server.name();
    peers.discovery.find(&name, Asker::Own).await.unwrap_err();
    server.publish(&[(WELL_KNOWN, well_known(&server))]);
    clock.advance(999);
    peers.discovery.hear(&name);
    let failed = peers.discovery.find(&name, Asker::Own).await.unwrap_err();
    assert_eq!((failed.retry_after, server.requests()), (Some(1), 1));
    clock.advance(1);
    peers.discovery.find(&name, Asker::Own).await.unwrap();
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_question() {
    let authority = Authority::new();
    let server = altered(&authority, json!({})).await;
    let (peers, _) = peers(&authority.federation());
    let name = server.name();
    let asked = (0..50).map(|_| peers.discovery.find(&name, Asker::Own));
    for found in futures_util::future::join_all(asked).await {
        found.unwrap();
    }
    assert_eq!(server.requests(), 1);
}

/// Whoever hangs up while the server is being asked does not make it be asked again.
#[tokio::test]
async fn a_question_counts_even_if_nobody_waits_for_its_answer() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = Authority::new();
    let (peers, _) = peers(&authority.federation());
    let name: ServerName = format!("localhost:{}", silent.local_addr().unwrap().port()).parse().unwrap();
    let asking = peers.discovery.find(&name, Asker::Own);
    let (accepted, asked) = tokio::join!(silent.accept(), tokio::time::timeout(Duration::from_millis(500), asking));
    assert!(accepted.is_ok() && asked.is_err());
    let failed = peers.discovery.find(&name, Asker::Own).await.unwrap_err();
    assert_eq!((failed.reason.code(), failed.retry_after), ("early", Some(15)));
}

#[tokio::test]
async fn who_names_many_servers_is_stopped_and_others_are_not() {
    let (peers, _) = peers(&super::server::federation());
    // Names that need no resolver, so that the budget does not grow meanwhile.
    let unknown = |index: usize| format!("10.0.0.{index}").parse::<ServerName>().unwrap();
    let find = |index, asker| {
        let (peers, name) = (&peers, unknown(index));
        async move { peers.discovery.find(&name, asker).await.unwrap_err().reason.code() }
    };
    let (source, account) = (Asker::Source("2001:4860::1".parse().unwrap()), Asker::Account(Uuid::from_u128(1)));
    for index in 0..30 {
        assert_eq!(find(index, source).await, "refused_address");
    }
    assert_eq!(find(30, source).await, "budget");
    // The same network of 64 bits is the same asker; others, accounts and the server itself are not.
    assert_eq!(find(31, Asker::Source("2001:4860::ffff".parse().unwrap())).await, "budget");
    assert_eq!(find(32, Asker::Source("2001:4860:0:1::1".parse().unwrap())).await, "refused_address");
    assert_eq!(find(33, Asker::Source("1.1.1.1".parse().unwrap())).await, "refused_address");
    assert_eq!(find(34, account).await, "refused_address");
    for index in 35..80 {
        assert_eq!(find(index, Asker::Own).await, "refused_address");
    }
    // What is remembered costs nothing.
    assert_eq!(find(0, source).await, "refused_address");
}

/// Whoever names servers that never answer has four of them asked at a time, and others are not kept waiting.
#[tokio::test]
async fn one_asker_does_not_take_every_place() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut federation = super::server::federation();
    let name = |index: usize| format!("s{index}.example").parse::<ServerName>().unwrap();
    let silences = (0..8).map(|index| (name(index), format!("http://127.0.0.1:{port}")));
    federation.resolve = silences.collect();
    let (peers, _) = peers(&federation);
    let find = |index, asker| {
        let (peers, name) = (&peers, name(index));
        async move { peers.discovery.find(&name, asker).await.unwrap_err().reason.code() }
    };
    let [one, other] = ["1.1.1.1", "1.1.1.2"].map(|source| Asker::Source(source.parse().unwrap()));
    let asked = futures_util::future::join_all((0..4).map(|index| find(index, one)));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(find(4, one).await, "busy");
        // A stranger does not wait for another's question either.
        assert_eq!(find(0, other).await, "busy");
        tokio::time::timeout(Duration::from_secs(1), find(5, other)).await.unwrap_err();
    };
    tokio::select! {
        codes = asked => panic!("{codes:?}"),
        () = meanwhile => {}
    }
}

#[tokio::test]
async fn only_servers_that_may_be_spoken_to_are_asked() {
    let authority = Authority::new();
    let server = altered(&authority, json!({})).await;
    let mut federation = authority.federation();
    federation.deny = vec!["localhost".parse().unwrap()];
    let failed = peers(&federation).0.discovery.find(&server.name(), Asker::Own).await.unwrap_err();
    assert_eq!((failed.reason, server.requests()), (Reason::Denied(Denied::Denied), 0));
}

#[test]
fn failures_are_sentences_that_say_what_to_do() {
    let failed = |reason, retry_after| Failed { server: "two.example".parse().unwrap(), reason, retry_after };
    let texts = [
        failed(Reason::Denied(Denied::NotAllowed), None),
        failed(Reason::Status { url: "https://two.example/x".into(), status: 404 }, Some(7)),
        failed(Reason::WrongServerName { named: "other.example".parse().unwrap() }, None),
        failed(Reason::Version { theirs: vec!["2".into()] }, None),
        failed(Reason::Clock { valid_from: day(3) }, None),
        failed(Reason::Budget { seconds: 2 }, None),
    ];
    insta::assert_snapshot!(texts.map(|failed| failed.to_string()).join("\n"), @"
    the server two.example was not found: federation.allow of this server's configuration does not have it
    the server two.example was not found: https://two.example/x answers with status 404: a homeserver, or a static file, must answer there (it is asked again in 7 s at the earliest)
    the server two.example was not found: its document says that it is other.example: serverName there must be the name that is asked for
    the server two.example was not found: it speaks the versions [\"2\"] of the protocol, and this server speaks 1: one of them must be updated
    the server two.example was not found: its keys become valid only at 2026-03-04T12:00:00.000Z: check the clocks of both servers
    the server two.example was not found: too many unknown servers were named from there; again in 2 s
    ");
}
