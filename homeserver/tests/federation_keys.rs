//! The federation keys of real processes: an admin's commands beside running servers, and what is left on the disk.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/peer.rs"]
#[allow(dead_code)] // the tests of the front door ask more of it
mod peer;
mod process;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    process::Output,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use peer::Peer;
use process::{Homeserver, Kind, terminal};
use serde_json::{Value, json};

on_both_databases!(
    every_replica_obeys_an_admins_command_within_a_second,
    no_private_half_is_left_on_the_disk_or_in_the_log,
);

const FEDERATED: &[&str] = &["federation.enabled=true"];

async fn every_replica_obeys_an_admins_command_within_a_second(kind: Kind) {
    let Some(mut server) = Homeserver::start_with(kind, FEDERATED).await else { return };
    // On SQLite there can be only one.
    let replica = (kind == Kind::Postgres).then(|| server.replica());
    let urls: Vec<String> = [&server].into_iter().chain(&replica).map(|one| one.url.clone()).collect();
    let first = document(&urls[0]).await;
    for url in &urls {
        assert_eq!(document(url).await, first, "replicas agree");
    }

    let file = server.directory.path().join("recovery.key");
    let file = file.to_str().unwrap();
    let created = succeeded(&missivectl(&server, &["federation", "recovery-key", "create", "--output", file]));
    let with_recovery = all_within_a_second(&urls, |document| document["recoveryKey"].is_string()).await;
    assert_eq!(with_recovery["recoveryKey"], created["recoveryKey"]);
    let peer = Peer::pin(&with_recovery);

    let rotated = succeeded(&missivectl(&server, &["federation", "key", "rotate"]));
    let second = rotated["key"]["keyId"].as_str().unwrap();
    let published = all_within_a_second(&urls, |document| document["keys"][1]["keyId"] == second).await;
    assert_eq!(peer.trusts(&published).len(), 2);

    let revoke = ["federation", "key", "revoke", second, "--recovery-key", file];
    let revoked = succeeded(&missivectl(&server, &revoke));
    let third = revoked["successor"]["keyId"].as_str().unwrap();
    let published = all_within_a_second(&urls, |document| document["revocations"][0]["keyId"] == second).await;
    let trusted = [first["keys"][0]["keyId"].as_str().unwrap(), third].map(str::to_owned);
    assert_eq!(peer.trusts(&published), BTreeSet::from(trusted));

    server.kill();
    server.restart();
    assert_eq!(document(&server.url).await, published, "nothing of it is lost");
}

async fn no_private_half_is_left_on_the_disk_or_in_the_log(kind: Kind) {
    let Some(mut server) = Homeserver::start_with(kind, FEDERATED).await else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("recovery.key");
    let path = file.to_str().unwrap();
    succeeded(&missivectl(&server, &["federation", "recovery-key", "create", "--output", path]));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    succeeded(&missivectl(&server, &["federation", "key", "rotate"]));
    let listed = succeeded(&missivectl(&server, &["federation", "key", "list"]));
    let keys = listed["keys"].as_array().unwrap().iter().map(|key| &key["publicKey"]);
    let public: HashSet<_> =
        keys.chain([&listed["recoveryKey"]]).map(|key| STANDARD.decode(key.as_str().unwrap()).unwrap()).collect();
    assert_eq!(public.len(), 3);

    let dump = rows(&server).await;
    server.stop();
    let recovery = fs::read_to_string(&file).unwrap();
    let recovery = recovery.split_whitespace().next_back().unwrap();
    let files = server.files().into_iter().filter(|path| path.is_file() && !path.ends_with("master.key"));
    let mut places: Vec<_> = files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    places.push(("the rows".into(), dump));
    for (place, bytes) in &places {
        assert!(!bytes.windows(44).any(|window| window == recovery.as_bytes()), "the recovery key is in {place}");
        assert!(!holds_private_half(bytes, &public), "a private half is in {place}");
    }
    assert!(holds_private_half(&STANDARD.decode(recovery).unwrap(), &public), "the search finds one");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_is_told_from_the_right_one_by_the_federation_keys_too() {
    let mut server = Homeserver::start(Kind::Sqlite).await.unwrap();
    server.stop();
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM federation_keys")
        .fetch_one(&mut server.database.sqlite().await)
        .await
        .unwrap();
    assert_eq!(sealed.len(), 24 + 32 + 16, "a nonce, the key, a tag");
    sqlx::query("UPDATE federation_keys SET sealed = zeroblob(72)")
        .execute(&mut server.database.sqlite().await)
        .await
        .unwrap();
    let output = missivectl(&server, &["federation", "key", "list"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(error["error"].as_str().unwrap().contains("does not fit the database"), "{error}");
    sqlx::query("UPDATE federation_keys SET sealed = $1")
        .bind(sealed)
        .execute(&mut server.database.sqlite().await)
        .await
        .unwrap();
    server.restart();
}

/// Whether any 32 bytes in a row are the private half of one of the public keys.
fn holds_private_half(bytes: &[u8], public: &HashSet<Vec<u8>>) -> bool {
    let varied = |window: &&[u8]| window.iter().collect::<HashSet<_>>().len() > 12;
    bytes.windows(32).filter(varied).any(|window| {
        let key = SigningKey::from_bytes(window.try_into().unwrap());
        public.contains(key.verifying_key().as_bytes().as_slice())
    })
}

/// The binary columns of the rows that hold keys, on PostgreSQL, where no file of the test's has them.
async fn rows(server: &Homeserver) -> Vec<u8> {
    if server.database.kind == Kind::Sqlite {
        return Vec::new();
    }
    let mut db = server.database.postgres().await;
    let mut bytes = Vec::new();
    for text in [
        "SELECT public_key || coalesce(sealed, '') || coalesce(signature, '') FROM federation_keys",
        "SELECT public_key FROM federation_recovery_key",
        "SELECT sealed FROM signing_keys",
    ] {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(text).fetch_all(&mut db).await.unwrap();
        assert!(!rows.is_empty());
        bytes.extend(rows.concat());
    }
    bytes
}

async fn document(url: &str) -> Value {
    let answer = reqwest::get(format!("{url}/.well-known/missive/server")).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The document that every server publishes, a second after the command at the latest.
async fn all_within_a_second(urls: &[String], wanted: impl Fn(&Value) -> bool) -> Value {
    let returned = Instant::now();
    let mut last = json!(null);
    for url in urls {
        loop {
            last = document(url).await;
            if wanted(&last) {
                break;
            }
            assert!(returned.elapsed() < Duration::from_secs(1), "{url} publishes {last}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    last
}

fn missivectl(server: &Homeserver, arguments: &[&str]) -> Output {
    terminal::missivectl(server, &[arguments, &["--json"]].concat())
}

fn succeeded(output: &Output) -> Value {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
