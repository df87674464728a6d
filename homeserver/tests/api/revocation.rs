//! An admin revokes and restores accounts, from another process.

use std::time::{Duration, Instant};

use homeserver::service::accounts;
use serde_json::json;

use crate::common::{PASSWORD, Socket, both};

#[tokio::test]
async fn a_revoked_account_is_dead_within_a_second() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let left = home.leave_message(&bob, &alice).await;
        let (bob_socket, socket) =
            (Socket::open(&home, &bob).await, Socket::open(&home, &home.log_in("alice").await).await);
        let admin = home.admin().await;
        assert_eq!(accounts::revoke(&admin, alice.id).await.unwrap(), 2);
        let returned = Instant::now();
        assert_eq!(socket.closed().await, 4401);
        loop {
            let (status, body) = alice.get(&alice.path("")).await;
            if status != 200 {
                assert!(["session_ended", "account_revoked"].contains(&body["code"].as_str().unwrap()), "{body}");
                break;
            }
        }
        assert!(returned.elapsed() < Duration::from_secs(1), "{:?}", returned.elapsed());

        let log_in = json!({ "name": "alice", "password": PASSWORD });
        let reply = home.try_log_in(&log_in).await;
        assert_eq!((reply.status, reply.code()), (403, "account_revoked"));
        let reply = home.try_log_in(&json!({ "name": "alice", "password": "wrong" })).await;
        assert_eq!((reply.status, reply.code()), (401, "wrong_credentials"), "only who knows the password is told");
        assert_eq!(alice.refresh(&alice.refresh_token).await.code(), "account_revoked");
        assert_eq!(bob.get("/api/v1/users/alice/keys").await.1["code"], "receiver_gone");
        told_undeliverable(bob_socket, &left.to_string()).await;
    }
}

async fn told_undeliverable(mut sender: Socket, message: &str) {
    let status = sender.next_with("state").await;
    assert_eq!(
        (status["messageId"].as_str(), status["state"].as_str(), status["code"].as_str()),
        (Some(message), Some("undeliverable"), Some("receiver_gone")),
        "{status}"
    );
}

#[tokio::test]
async fn a_restored_account_logs_in_again() {
    for home in both().await {
        let alice = home.register("alice").await;
        let admin = home.admin().await;
        accounts::revoke(&admin, alice.id).await.unwrap();
        let shown = accounts::find(&admin, "alice").await.unwrap();
        assert_eq!((shown.revoked_at, shown.sessions, shown.devices), (Some(home.now()), 0, 1));
        home.clock.advance(1_000);
        assert_eq!(accounts::revoke(&admin, alice.id).await.unwrap(), 0);
        assert_eq!(accounts::find(&admin, "alice").await.unwrap(), shown, "revoking again changes nothing");
        accounts::restore(&admin, alice.id).await.unwrap();
        assert_eq!(accounts::find(&admin, "alice@one.example").await.unwrap().revoked_at, None);

        assert_eq!(alice.refresh(&alice.refresh_token).await.code(), "session_ended", "what was ended stays ended");
        let started = Instant::now();
        let again = home.log_in("alice").await;
        while again.get(&again.path("")).await.0 != 200 {
            assert!(started.elapsed() < Duration::from_secs(2));
        }
    }
}

#[tokio::test]
async fn an_admin_lists_accounts_page_by_page() {
    for home in both().await {
        for name in ["carol", "alice", "bob"] {
            home.register(name).await;
        }
        let page = accounts::list(&home.app, "", 2).await.unwrap();
        assert_eq!(page.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
        let page = accounts::list(&home.app, "bob", 2).await.unwrap();
        assert_eq!(page.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["carol"]);
        assert_eq!((page[0].sessions, page[0].devices, page[0].pending_messages), (1, 1, 0));
        assert!(accounts::find(&home.app, "dave").await.is_err());
        assert!(accounts::revoke(&home.app, uuid::Uuid::new_v4()).await.is_err());
        assert!(accounts::restore(&home.app, uuid::Uuid::new_v4()).await.is_err());
    }
}

#[tokio::test]
async fn what_a_revoked_account_sent_can_still_be_acknowledged() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let left = home.leave_message(&alice, &bob).await;
        home.revoke(&alice).await;
        let mut socket = Socket::open(&home, &bob).await;
        assert_eq!(socket.next_with("content").await["id"], json!(left));
        socket.send(&json!({ "messageId": left, "state": "received", "receiverId": alice.id })).await;
        let until = Instant::now() + Duration::from_secs(5);
        while home.count_rows("pending_messages", "account_id", bob.id).await > 0 {
            assert!(Instant::now() < until, "it is still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(home.count_rows("message_statuses", "account_id", alice.id).await, 1, "kept for her return");
    }
}
