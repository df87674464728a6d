//! Who may open the WebSocket, and who may send on it.

use serde_json::json;
use uuid::Uuid;

use super::scopes::{SCOPES, worthless};
use crate::common::{Socket, both};

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_socket_opens_for_messages_read_alone() {
    for home in both().await {
        let alice = home.register("alice").await;
        let others = SCOPES.into_iter().filter(|scope| *scope != "messages:read").collect::<Vec<_>>();
        let lacking = bearer(&alice.with_scope(&others).await.access_token);
        let (status, body) = Socket::refused(&home, "authorization", &lacking).await;
        assert_eq!((status, body["code"].as_str()), (403, Some("missing_scope")), "{body}");
        assert!(body["error"].as_str().unwrap().contains("messages:read"), "{body}");
        Socket::open(&home, &alice.with_scope(&["messages:read"]).await).await;
    }
}

#[tokio::test]
async fn sending_needs_messages_write() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let message = json!({ "id": Uuid::new_v4(), "receiver": "bob", "kind": "message", "content": "aGk=" });
        let others = SCOPES.into_iter().filter(|scope| *scope != "messages:write").collect::<Vec<_>>();
        let mut socket = Socket::open(&home, &alice.with_scope(&others).await).await;
        socket.send(&message).await;
        let refused = socket.next_with("error").await;
        assert_eq!((&refused["code"], &refused["id"]), (&json!("missing_scope"), &message["id"]), "{refused}");
        let waiting = bob.get("/api/v1/users/bob/messages").await;
        assert_eq!(waiting, (200, json!({ "data": { "messages": [], "more": false } })));

        let mut socket = Socket::open(&home, &alice.with_scope(&["messages:read", "messages:write"]).await).await;
        socket.send(&message).await;
        assert_eq!(socket.next_with("state").await["state"], "sent");
    }
}

#[tokio::test]
async fn worthless_tokens_open_no_socket_however_they_are_shown() {
    let others = both().await;
    for (home, other) in both().await.into_iter().zip(others) {
        let alice = home.register("alice").await;
        let mut tokens = worthless(&home, &alice).await;
        tokens.push(("another server's", other.register("alice").await.access_token));
        for (what, token) in tokens {
            for (name, value) in
                [("authorization", bearer(&token)), ("sec-websocket-protocol", format!("missive.v1, bearer.{token}"))]
            {
                let (status, body) = Socket::refused(&home, name, &value).await;
                assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")), "{what}, in {name}");
            }
        }
        let (status, body) = Socket::refused(&home, "x-nothing", "x").await;
        assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")), "{body}");
        home.clock.advance(15 * 60 * 1_000);
        let (status, body) = Socket::refused(&home, "authorization", &bearer(&alice.access_token)).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("token_expired")), "{body}");
    }
}

#[tokio::test]
async fn a_browser_shows_its_token_as_a_subprotocol_and_a_socket_outlives_it() {
    for home in both().await {
        let alice = home.register("alice").await;
        let offer = format!("missive.v1, bearer.{}", alice.access_token);
        let (mut socket, agreed) = Socket::try_open(&home, "sec-websocket-protocol", &offer).await.unwrap();
        assert_eq!(agreed.as_deref(), Some("missive.v1"), "the token is not repeated");
        home.clock.advance(60 * 60 * 1_000);
        socket.send(&json!({ "receiver": "alice", "kind": "message", "content": "?" })).await;
        assert_ne!(socket.next_with("error").await["code"], "token_expired");
    }
}
