//! What a running server makes of an admin's command: within a second of its return.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use crate::common::{Home, Person, Socket, both_running};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_revoked_accounts_sockets_and_tokens_are_dead_within_a_second() {
    for home in both_running().await {
        let (ada, bob) = (home.register("ada").await, home.register("bob").await);
        home.leave_message(&bob, &ada).await;
        let second = home.log_in("ada").await.unwrap();
        let socket = Socket::open(&home, &ada).await;
        assert_eq!(home.own_account(&second).await, StatusCode::OK);

        let revoked = home.ctl_json(&["account", "revoke", "ada"]).await;
        let returned = Instant::now();
        assert_eq!(revoked["endedSessions"], json!(2));
        assert_eq!(socket.closed().await, 4401);
        assert_refused(&home, &ada, returned).await;
        assert_refused(&home, &second, returned).await;
        assert!(returned.elapsed() < SECOND, "{:?}", returned.elapsed());

        assert_eq!(home.own_account(&bob).await, StatusCode::OK);
        assert_eq!(home.log_in("ada").await.err().unwrap(), (StatusCode::FORBIDDEN, "account_revoked".into()));
        assert_eq!(revoked["account"]["pendingMessages"], json!(0));
        let mut writer = Socket::open(&home, &bob).await;
        writer
            .send(&json!({ "id": home.clock.new_id(), "receiver": "ada", "kind": "message", "content": "aGk=" }))
            .await;
        assert_eq!(writer.next_with("error").await["code"], "receiver_gone");

        home.ctl_json(&["account", "restore", "ada"]).await;
        let restored = home.log_in("ada").await.unwrap();
        let deadline = Instant::now() + SECOND;
        while home.own_account(&restored).await != StatusCode::OK {
            assert!(Instant::now() < deadline);
        }
        assert_eq!(home.own_account(&second).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn purging_an_accounts_sessions_logs_its_devices_out_within_a_second() {
    for home in both_running().await {
        let (ada, bob) = (home.register("ada").await, home.register("bob").await);
        let socket = Socket::open(&home, &ada).await;
        let purged = home.ctl_json(&["token", "purge", "--account", "ada"]).await;
        let returned = Instant::now();
        assert_eq!(purged["purged"], json!(1));
        assert_eq!(socket.closed().await, 4401);
        assert_refused(&home, &ada, returned).await;
        assert_eq!(home.own_account(&bob).await, StatusCode::OK);
        let again = home.log_in("ada").await.unwrap();
        assert_eq!(home.own_account(&again).await, StatusCode::OK);
    }
}

/// Asks until the token is refused; that must be within a second.
async fn assert_refused(home: &Home, person: &Person, since: Instant) {
    loop {
        let status = home.own_account(person).await;
        assert!(since.elapsed() < SECOND, "{status} after {:?}", since.elapsed());
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return;
        }
    }
}
