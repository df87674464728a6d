//! Refreshing: each refresh token is spent once.

use serde_json::json;

use crate::common::{Person, Reply, both, both_with, claims};

const SECOND: i64 = 1_000;

async fn refresh(person: &Person, token: &str) -> (Reply, String) {
    let reply = person.refresh(token).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let next = reply.refresh_token().unwrap();
    (reply, next)
}

async fn assert_ended(person: &Person, token: &str) {
    let reply = person.refresh(token).await;
    assert_eq!((reply.status, reply.code()), (401, "session_ended"), "{}", reply.body);
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_session() {
    for home in both().await {
        let alice = home.register("alice").await.with_scope(&["profile:read", "messages:read"]).await;
        home.clock.advance(15 * 60 * SECOND);
        let (status, body) = alice.get(&alice.path("")).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("token_expired")), "{body}");
        let (reply, next) = refresh(&alice, &alice.refresh_token).await;
        assert_eq!(reply.body["data"]["id"], json!(alice.id));
        assert_eq!((&reply.body["data"]["name"], &reply.body["data"]["deviceId"]), (&json!("alice"), &json!(1)));
        assert_ne!(next, alice.refresh_token);
        let (before, after) = (claims(&alice.access_token), claims(reply.access_token()));
        for same in ["sub", "sid", "did", "scope"] {
            assert_eq!(after[same], before[same]);
        }
        assert_eq!(after["exp"], home.now().millis() / 1_000 + 15 * 60);
        assert_eq!(claims(&next)["exp"], home.now().millis() / 1_000 + 30 * 24 * 60 * 60);
        let mut refreshed = alice.clone();
        reply.access_token().clone_into(&mut refreshed.access_token);
        assert_eq!(refreshed.get(&alice.path("")).await.0, 200);
    }
}

#[tokio::test]
async fn a_spent_token_gets_the_same_successor_for_15_seconds() {
    for home in both().await {
        let alice = home.register("alice").await;
        let (_, next) = refresh(&alice, &alice.refresh_token).await;
        home.clock.advance(15 * SECOND);
        assert_eq!(refresh(&alice, &alice.refresh_token).await.1, next);
        let (_, third) = refresh(&alice, &next).await;
        assert_ne!(third, next);
    }
}

#[tokio::test]
async fn a_spent_token_used_later_ends_its_session() {
    for home in both().await {
        let (alice, other) = (home.register("alice").await, home.log_in("alice").await);
        let (reply, next) = refresh(&alice, &alice.refresh_token).await;
        home.clock.advance(15 * SECOND + 1);
        assert_ended(&alice, &alice.refresh_token).await;
        assert_ended(&alice, &next).await;
        let mut refreshed = alice.clone();
        reply.access_token().clone_into(&mut refreshed.access_token);
        let (status, body) = refreshed.get(&alice.path("")).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
        assert_eq!(other.refresh(&other.refresh_token).await.status, 200, "another session goes on");
    }
}

#[tokio::test]
async fn an_older_spent_token_ends_its_session_too() {
    for home in both().await {
        let alice = home.register("alice").await;
        let mut token = alice.refresh_token.clone();
        for _ in 0..20 {
            home.clock.advance(SECOND);
            token = refresh(&alice, &token).await.1;
        }
        assert_ended(&alice, &alice.refresh_token).await;
        assert_ended(&alice, &token).await;
    }
}

#[tokio::test]
async fn tokens_of_ended_sessions_are_looked_into_a_few_times_only_and_valid_ones_always() {
    for home in both_with(&["limits.logins_per_minute=3"]).await {
        let alice = home.register("alice").await;
        let gone = home.log_in("alice").await;
        assert_eq!(gone.with_cookie("DELETE", "/api/v1/tokens", &gone.refresh_token).await.status, 200);
        for _ in 0..3 {
            assert_ended(&alice, &gone.refresh_token).await;
        }
        for method in ["PUT", "DELETE"] {
            let reply = alice.with_cookie(method, "/api/v1/tokens", &gone.refresh_token).await;
            assert_eq!((reply.status, reply.code()), (429, "rate_limited"), "{}", reply.body);
        }
        let mut token = alice.refresh_token.clone();
        for _ in 0..5 {
            let next = refresh(&alice, &token).await.1;
            assert_eq!(refresh(&alice, &token).await.1, next, "its answer may have been lost");
            token = next;
        }
        assert_eq!(alice.with_cookie("DELETE", "/api/v1/tokens", &token).await.status, 200);
    }
}

#[tokio::test]
async fn refreshes_at_the_same_time_get_the_same_successor() {
    for home in both().await {
        let alice = home.register("alice").await;
        let refreshes = (0..10).map(|_| {
            let alice = alice.clone();
            tokio::spawn(async move { refresh(&alice, &alice.refresh_token).await.1 })
        });
        let mut tokens = Vec::new();
        for token in refreshes.collect::<Vec<_>>() {
            tokens.push(token.await.unwrap());
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        assert_eq!(alice.refresh(&tokens[0]).await.status, 200);
    }
}

#[tokio::test]
async fn a_refresh_token_ends_after_30_days() {
    for home in both().await {
        let alice = home.register("alice").await;
        home.clock.advance(30 * 24 * 60 * 60 * SECOND - SECOND);
        let (_, next) = refresh(&alice, &alice.refresh_token).await;
        home.clock.advance(30 * 24 * 60 * 60 * SECOND);
        assert_ended(&alice, &next).await;
    }
}

#[tokio::test]
async fn a_spent_token_logs_out_as_well() {
    for home in both().await {
        let alice = home.register("alice").await;
        let (_, next) = refresh(&alice, &alice.refresh_token).await;
        let reply = alice.with_cookie("DELETE", "/api/v1/tokens", &alice.refresh_token).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_ended(&alice, &next).await;
    }
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    for mut home in both().await {
        let mut alice = home.register("alice").await;
        home.restart().await;
        alice.move_to(&home);
        assert_eq!(alice.get(&alice.path("")).await.0, 200);
        refresh(&alice, &alice.refresh_token).await;
    }
}
