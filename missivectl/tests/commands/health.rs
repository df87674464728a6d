//! `health`: of the database and the server, or of a server only.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};

use crate::common::{Home, both_running, missivectl};

#[tokio::test]
async fn a_healthy_homeserver_is_shown_with_its_numbers() {
    for home in both_running().await {
        let (ada, bob) = (home.register("ada").await, home.register("bob").await);
        home.leave_message(&bob, &ada).await;
        let mut health = home.ctl_json(&["health"]).await;
        assert_eq!(health["server"]["url"].take(), json!(format!("http://{}", home.listen)));
        let parts = json!({ "database": "ok", "migrations": "ok", "disk": "ok", "followers": "ok" });
        let expected = json!({
            "healthy": true, "database": "ok", "migrations": "ok", "masterKey": "ok", "disk": "ok",
            "accounts": 2, "sessions": 2, "pendingMessages": 1, "pendingStatuses": 0,
            "server": { "url": null, "state": "ok", "parts": parts },
        });
        assert_eq!(health, expected);
        let text = home.ctl(&["health"]).await;
        assert!(text.code == 0 && text.out.ends_with("\nHealthy.\n"), "{text:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_run_is_not_healthy_but_its_database_is() {
    for mut home in both_running().await {
        home.register("ada").await;
        home.stop().await;
        let health = home.ctl(&["health", "--json"]).await;
        health.assert_error(5, "unhealthy");
        let document = health.document();
        assert_eq!((&document["healthy"], &document["masterKey"]), (&json!(false), &json!("ok")));
        assert_eq!((&document["accounts"], &document["pendingMessages"]), (&json!(1), &json!(0)));
        assert!(document["server"]["state"].as_str().unwrap().starts_with("cannot be reached"), "{document}");
    }
}

#[tokio::test]
async fn a_lost_or_wrong_master_key_is_found_and_none_is_made() {
    for home in both_running().await {
        let key = home.dir().join("master.key");
        std::fs::remove_file(&key).unwrap();
        assert!(master_key(&home).await.contains("put the file back"));
        assert!(!key.exists());
        std::fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
        assert!(master_key(&home).await.contains("does not fit"));
        home.ctl(&["account", "list", "--json"]).await.assert_error(1, "failed");
    }
}

#[tokio::test]
async fn a_database_in_the_working_directory_has_a_disk_too() {
    let mut home = Home::on_sqlite();
    home.start().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_missivectl"));
    command.args(["health", "--json", "--database-url", "sqlite://homeserver.db", "--data-dir", "."]);
    command.args(["--server-name", "one.example", "--listen", &home.listen]);
    let output = command.current_dir(home.dir()).env_clear().output().await.unwrap();
    let health: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&health["healthy"], &health["disk"]), (&json!(true), &json!("ok")), "{health}");
}

#[tokio::test]
async fn with_a_url_only_that_server_is_asked() {
    let mut home = Home::on_sqlite();
    home.start().await;
    let url = format!("http://{}/", home.listen);
    let nowhere = [("MISSIVE_DATA_DIR", "/nonexistent"), ("HTTP_PROXY", "http://127.0.0.1:1")];
    let health = missivectl(&["health", "--url", &url, "--json"], &nowhere).await;
    assert_eq!(health.code, 0, "{health:?}");
    assert_eq!(health.document()["server"]["state"], "ok");
    assert_eq!(health.document()["pendingMessages"], Value::Null);
    home.stop().await;
    missivectl(&["health", "--url", &url, "--json"], &nowhere).await.assert_error(5, "unhealthy");
}

#[tokio::test]
async fn whatever_else_answers_is_no_healthy_homeserver() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "[".repeat(1_000_000));
    let moved = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let escape = "HTTP/1.1 503 No\r\n\r\n{\"data\":{\"ready\":false,\"disk\":\"\\u001b[31mfull\"}}";
    for (answer, expected) in [
        (moved, "not as a homeserver"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"data\":{}}", "not as a homeserver"),
        (&endless, "too long"),
        ("nonsense\r\n\r\n", "does not answer"),
        (escape, "\u{fffd}[31mfull"),
    ] {
        let done = missivectl(&["health", "--url", &answering(answer.to_owned()).await], &[]).await;
        assert!(done.code == 5 && done.out.contains(expected) && !done.out.contains('\u{1b}'), "{done:?}");
        assert!(!done.err.contains('\u{1b}'), "{done:?}");
    }
}

async fn master_key(home: &Home) -> String {
    let health = home.ctl(&["health", "--json"]).await;
    health.assert_error(5, "unhealthy");
    health.document()["masterKey"].as_str().unwrap().to_owned()
}

/// The URL of something that gives one answer and hangs up.
async fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    url
}
