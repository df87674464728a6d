//! Two people, each with the terminal client, on a homeserver of real processes: what they write arrives, nothing of it
//! stays, nothing of it leaks, and an admin can shut one of them out.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libsignal_core::curve::{PrivateKey, PublicKey};
use process::{Homeserver, Kind, Person, SERVER_NAME, User, person, terminal::administer};
use serde_json::json;

on_both_databases!(
    an_exchange_arrives_and_leaves_nothing,
    a_revoked_account_is_dead_within_a_second,
    a_restart_forgets_no_revocation_however_slow_the_admins_clock,
);

const WORDS: [&str; 3] = ["the-owl-flies-at-midnight", "bring-the-blue-folder", "no-moon-tonight"];

async fn an_exchange_arrives_and_leaves_nothing(kind: Kind) {
    let Some(mut server) = Homeserver::start(kind).await else { return };
    // A third person's tokens are known to the test, so that it can look for them.
    let carol = Person::register(&server, "carol").await;
    carol.connect().await;
    tokio::task::block_in_place(|| exchange(&server));
    server.database.wait_for_rows("pending_messages", 0).await;
    server.database.wait_for_rows("message_statuses", 0).await;
    let public = public_keys(&server).await;
    assert!(public.len() > 100, "identity, signed and one-time keys of two people");
    let dump = dump(&server).await;
    server.stop();
    look_for_secrets(&server, &carol, &dump, &public);
}

/// Alice and Bob write to each other, online and offline.
fn exchange(server: &Homeserver) {
    let (alice, bob) = (User::register(server, "alice"), User::register(server, "bob"));

    let mut listener = bob.listen(&["--count", "1"]);
    listener.line("drained");
    assert_eq!(alice.send(&bob, WORDS[0], "received")["state"], "received", "both online");
    let message = listener.line("message");
    assert_eq!((&message["text"], &message["sender"]), (&json!(WORDS[0]), &json!(alice.address())));
    listener.succeed();

    assert_eq!(alice.send(&bob, WORDS[1], "sent")["state"], "sent", "the receiver is offline");
    let mut listener = bob.listen(&["--count", "1"]);
    assert_eq!(listener.line("message")["text"], WORDS[1], "and back");
    listener.succeed();

    let mut listener = alice.listen(&["--count", "1"]);
    listener.line("drained");
    assert_eq!(bob.send(&alice, WORDS[2], "received")["state"], "received", "the other way");
    assert_eq!(listener.line("message")["text"], WORDS[2]);
    listener.succeed();

    let history = alice.history(&bob);
    let texts = history.iter().filter_map(|line| line["text"].as_str()).collect::<Vec<_>>();
    assert_eq!(texts, WORDS);
    assert!(history[..2].iter().all(|line| line["state"] == "received"), "{history:?}");
}

/// Every EC public key that was published.
async fn public_keys(server: &Homeserver) -> HashSet<Vec<u8>> {
    const QUERIES: [&str; 3] = [
        "SELECT identity_key FROM accounts WHERE identity_key IS NOT NULL",
        "SELECT signed_pre_key FROM devices WHERE signed_pre_key IS NOT NULL",
        "SELECT public_key FROM pre_keys WHERE kind = 'ec'",
    ];
    let mut keys = HashSet::new();
    for query in QUERIES {
        let found: Vec<Vec<u8>> = match server.database.kind {
            Kind::Sqlite => sqlx::query_scalar(query).fetch_all(&mut server.database.sqlite().await).await.unwrap(),
            Kind::Postgres => sqlx::query_scalar(query).fetch_all(&mut server.database.postgres().await).await.unwrap(),
        };
        keys.extend(found);
    }
    keys
}

/// The bytes of everything in a PostgreSQL database, as rows in text, binary columns decoded.
async fn dump(server: &Homeserver) -> Vec<u8> {
    if server.database.kind == Kind::Sqlite {
        return Vec::new();
    }
    let mut db = server.database.postgres().await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT relname::text FROM pg_stat_user_tables").fetch_all(&mut db).await.unwrap();
    assert!(tables.len() >= 8);
    let mut bytes = Vec::new();
    for table in tables {
        let rows = sqlx::AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM {table} t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut db).await.unwrap();
        for row in rows {
            bytes.extend_from_slice(row.as_bytes());
            for hex in row.split("\"\\\\x").skip(1) {
                let hex = hex.split('"').next().unwrap();
                let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
                bytes.extend((0..hex.len()).step_by(2).filter_map(byte));
            }
        }
    }
    bytes
}

fn look_for_secrets(server: &Homeserver, carol: &Person, dump: &[u8], public: &HashSet<Vec<u8>>) {
    let master_key = fs::read_to_string(server.directory.path().join("master.key")).unwrap();
    let master_bytes = STANDARD.decode(master_key.trim()).unwrap();
    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("a password", person::PASSWORD.into()),
        ("an access token", signature_of(&carol.token)),
        ("a refresh token", signature_of(&carol.refresh)),
        ("the master key", master_key.trim().into()),
        ("the master key's bytes", master_bytes),
        ("a full address in the log or at rest", format!("alice@{SERVER_NAME}").into()),
    ];
    for word in WORDS {
        secrets.push(("a message", word.into()));
        secrets.push(("a message in base64", STANDARD.encode(word)[..word.len()].into()));
    }
    let files = server.files().into_iter().filter(|path| path.is_file() && !path.ends_with("master.key"));
    let mut places = files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect::<Vec<_>>();
    assert!(places.iter().any(|(name, bytes)| name.ends_with("homeserver.log") && !bytes.is_empty()));
    places.push(("the PostgreSQL database".into(), dump.to_vec()));
    for (place, bytes) in &places {
        for (what, secret) in &secrets {
            assert!(!contains(bytes, secret), "{what} is in {place}");
        }
        assert!(!holds_private_key(bytes, public), "a private key is in {place}");
    }
    let private = PrivateKey::deserialize(&[0x48; 32]).unwrap();
    let own = HashSet::from([private.public_key().unwrap().serialize().to_vec()]);
    assert!(
        holds_private_key(&[&[1, 2, 3], private.serialize().as_slice(), &[4]].concat(), &own),
        "the search finds one"
    );
}

fn signature_of(token: &str) -> Vec<u8> {
    token.rsplit('.').next().unwrap().into()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Whether any 32 bytes in a row are the private half of one of the public keys. X25519 private keys are clamped
/// (RFC 7748 section 5), so most bytes need not be tried.
fn holds_private_key(bytes: &[u8], public: &HashSet<Vec<u8>>) -> bool {
    let clamped = |window: &&[u8]| window[0].trailing_zeros() >= 3 && window[31] & 0xc0 == 0x40;
    bytes.windows(32).filter(clamped).any(|window| {
        let key: Option<PublicKey> = PrivateKey::deserialize(window).ok().and_then(|key| key.public_key().ok());
        key.is_some_and(|key| public.contains(key.serialize().as_ref()))
    })
}

async fn a_revoked_account_is_dead_within_a_second(kind: Kind) {
    let Some(server) = Homeserver::start(kind).await else { return };
    let alice = Person::register(&server, "alice").await;
    let bob = Person::register(&server, "bob").await;
    let (mut a, _) = alice.connect().await;
    let (mut b, _) = bob.connect().await;
    b.send(json!({"id": uuid::Uuid::from_u128(1), "receiver": "alice", "content": "QUJD"})).await;
    assert_eq!(a.next().await["content"], "QUJD");
    assert_eq!(b.next().await["state"], "sent", "alice has not acknowledged it");

    administer(&server, &["account", "revoke", "alice", "--yes"]);
    let returned = Instant::now();
    assert_eq!(a.closed().await, 4401);
    while alice.request("GET", &format!("/api/v1/users/{}", alice.id), None).await.0 == 200 {
        assert!(returned.elapsed() < Duration::from_secs(1), "the access token still counts");
    }
    assert!(returned.elapsed() < Duration::from_secs(1), "{:?}", returned.elapsed());
    assert!(matches!(alice.refused().await, 401 | 403));

    let told = b.next().await;
    assert_eq!((&told["state"], &told["code"]), (&json!("undeliverable"), &json!("receiver_gone")), "{told}");
    b.send(json!({"id": uuid::Uuid::from_u128(2), "receiver": "alice", "content": "QUJD"})).await;
    assert_eq!(b.next().await["code"], "receiver_gone", "no new messages");
    let (status, body) = bob.request("GET", "/api/v1/users/alice/keys", None).await;
    assert_eq!((status, &body["code"]), (410, &json!("receiver_gone")), "no key bundles");

    administer(&server, &["account", "restore", "alice"]);
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        b.send(json!({"id": uuid::Uuid::from_u128(3), "receiver": "alice", "content": "QUJD"})).await;
        if b.next().await["state"] == "sent" {
            break;
        }
        assert!(Instant::now() < until, "a restored account receives again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(matches!(alice.refused().await, 401 | 403), "what was ended stays ended");
}

async fn a_restart_forgets_no_revocation_however_slow_the_admins_clock(kind: Kind) {
    const AN_HOUR_SLOW: &str = "UPDATE control_events SET created_at = created_at - 3600000";
    let Some(mut server) = Homeserver::start(kind).await else { return };
    let mut alice = Person::register(&server, "alice").await;
    administer(&server, &["token", "purge", "--account", "alice"]);
    let changed = match kind {
        Kind::Sqlite => {
            sqlx::query(AN_HOUR_SLOW).execute(&mut server.database.sqlite().await).await.unwrap().rows_affected()
        }
        Kind::Postgres => {
            sqlx::query(AN_HOUR_SLOW).execute(&mut server.database.postgres().await).await.unwrap().rows_affected()
        }
    };
    assert_eq!(changed, 1);
    server.kill();
    server.restart();
    alice.follow(&server);
    let (status, body) = alice.request("GET", &format!("/api/v1/users/{}", alice.id), None).await;
    assert_eq!((status, &body["code"]), (401, &json!("session_ended")), "{body}");
}
