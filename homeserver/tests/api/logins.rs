//! Logging in.

use std::time::Duration;

use homeserver::store::{NewSession, SessionCreated};
use missive_wire::{DeviceId, Scope};
use serde_json::{Value, json};

use crate::common::{Home, PASSWORD, both, both_with, claims};

fn log_in(name: &str, password: &str) -> Value {
    json!({ "name": name, "password": password })
}

async fn code(home: &Home, name: &str, password: &str) -> String {
    home.try_log_in(&log_in(name, password)).await.code().to_owned()
}

#[tokio::test]
async fn a_log_in_is_a_session_of_its_own() {
    for home in both().await {
        let alice = home.register("alice").await;
        for name in ["alice", "Alice", "alice@one.example"] {
            let reply = home.try_log_in(&log_in(name, PASSWORD)).await;
            assert_eq!((reply.status, &reply.body["data"]["id"]), (201, &json!(alice.id)), "{}", reply.body);
            assert_ne!(claims(reply.access_token())["sid"], json!(alice.session()));
        }
        let (_, body) = alice.get(&alice.path("/sessions")).await;
        assert_eq!(body["data"]["sessions"].as_array().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_are_answered_alike() {
    for home in both().await {
        home.register("alice").await;
        let known = home.try_log_in(&log_in("alice", "wrong")).await;
        assert_eq!((known.status, known.code()), (401, "wrong_credentials"));
        for name in ["nobody", "", "not a name", "alice@two.example", "alice@"] {
            let reply = home.try_log_in(&log_in(name, PASSWORD)).await;
            assert_eq!((reply.status, &reply.body), (401, &known.body), "{name}");
        }
        let long = home.try_log_in(&log_in("alice", &"x".repeat(100_000))).await;
        assert_eq!((long.status, &long.body), (401, &known.body));
    }
}

#[tokio::test]
async fn a_log_in_may_ask_for_less() {
    for home in both().await {
        home.register("alice").await;
        let with_scope = |scope: Value| {
            let mut body = log_in("alice", PASSWORD);
            body["scope"] = scope;
            body
        };
        let reply = home.try_log_in(&with_scope(json!(["messages:write", "keys:read", "keys:read"]))).await;
        assert_eq!(claims(reply.access_token())["scope"], json!(["keys:read", "messages:write"]));
        for bad in [json!([]), json!(["everything"]), json!("keys:read")] {
            let reply = home.try_log_in(&with_scope(bad)).await;
            assert_eq!((reply.status, reply.code()), (400, "malformed"), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn the_device_must_be_one_of_the_account() {
    for home in both().await {
        home.register("alice").await;
        let with_device = |device: Value| {
            let mut body = log_in("alice", PASSWORD);
            body["deviceId"] = device;
            body["deviceName"] = json!("desk");
            body
        };
        let reply = home.try_log_in(&with_device(json!(2))).await;
        assert_eq!((reply.status, reply.code()), (404, "not_found"));
        assert!(reply.body["error"].as_str().unwrap().contains("no device 2"), "{}", reply.body);
        for bad in [json!(0), json!(128), json!("1"), json!(1.5)] {
            assert_eq!(home.try_log_in(&with_device(bad)).await.code(), "malformed");
        }
        assert_eq!(home.try_log_in(&with_device(json!(1))).await.status, 201);
        let alice = home.log_in("alice").await;
        let (_, body) = alice.get(&alice.path("/sessions")).await;
        assert_eq!(body["data"]["sessions"][0]["deviceName"], "desk");
    }
}

#[tokio::test]
async fn wrong_passwords_lock_a_name_out_for_their_source_alone() {
    for home in
        both_with(&["limits.login_failures=3", "limits.lockout_seconds=2", "trusted_proxies=127.0.0.1/32"]).await
    {
        let alice = home.register("alice").await;
        home.register("bob").await;
        for name in ["alice", "nobody"] {
            for _ in 0..3 {
                assert_eq!(code(&home, name, "wrong").await, "wrong_credentials");
            }
            let reply = home.try_log_in(&log_in(name, PASSWORD)).await;
            assert_eq!((reply.status, reply.code()), (429, "locked_out"), "{name}");
            assert!((1..=2).contains(&reply.body["retryAfter"].as_u64().unwrap()), "{}", reply.body);
        }
        // Another name from here, the same from elsewhere, and a session that is open go on.
        assert_eq!(code(&home, "bob", PASSWORD).await, "");
        let elsewhere = [("x-forwarded-for", "203.0.113.7")];
        let body = log_in("alice", PASSWORD).to_string().into_bytes();
        assert_eq!(home.send("POST", "/api/v1/tokens", &elsewhere, body).await.status, 201);
        assert_eq!(alice.refresh(&alice.refresh_token).await.status, 200);

        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert_eq!(code(&home, "alice", PASSWORD).await, "");
    }
}

#[tokio::test]
async fn guesses_at_the_same_time_learn_no_more_than_one_by_one() {
    for home in both_with(&["limits.login_failures=3"]).await {
        home.register("alice").await;
        let guesses = (0..20).map(|_| {
            let (client, url) = (home.client.clone(), format!("{}/api/v1/tokens", home.url));
            let body = log_in("alice", "wrong");
            tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap().status().as_u16() })
        });
        let mut statuses = Vec::new();
        for status in guesses.collect::<Vec<_>>() {
            statuses.push(status.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 17, "{statuses:?}");
    }
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_checked_opens_nothing() {
    for home in both().await {
        let alice = home.register("alice").await;
        let store = &home.app.store;
        let stale = store.account(alice.id).await.unwrap().unwrap().password_hash;
        let change = json!({ "password": PASSWORD, "newPassword": "another battery staple" });
        assert_eq!(alice.patch(&alice.path(""), &change).await.0, 200);
        let new = NewSession {
            id: home.clock.new_id(),
            account: alice.id,
            device: DeviceId::FIRST,
            scope: Scope::ALL.to_vec(),
            at: home.now(),
            token_hash: [7; 32],
            token_expires_at: home.now(),
        };
        let created = store.create_session(&new, &stale, None, 9).await.unwrap();
        assert_eq!(created, SessionCreated::OtherPassword);
        let (_, body) = alice.get(&alice.path("/sessions")).await;
        assert_eq!(body["data"]["sessions"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_right_password_forgives_the_wrong_ones_before() {
    for home in both_with(&["limits.login_failures=3"]).await {
        home.register("alice").await;
        for _ in 0..3 {
            assert_eq!(code(&home, "alice", "wrong").await, "wrong_credentials");
            assert_eq!(code(&home, "alice", "wrong").await, "wrong_credentials");
            assert_eq!(code(&home, "alice", PASSWORD).await, "");
        }
    }
}

#[tokio::test]
async fn log_ins_of_one_source_are_limited() {
    for home in both_with(&["limits.logins_per_minute=2"]).await {
        home.register("alice").await;
        assert_eq!(code(&home, "alice", PASSWORD).await, "");
        assert_eq!(code(&home, "alice", PASSWORD).await, "");
        assert_eq!(code(&home, "alice", PASSWORD).await, "rate_limited");
    }
}

#[tokio::test]
async fn too_many_log_ins_at_once_are_told_to_come_again() {
    for home in both_with(&["limits.password_queue=1"]).await {
        home.register("alice").await;
        let tries = (0..40).map(|_| {
            let (client, url) = (home.client.clone(), format!("{}/api/v1/tokens", home.url));
            let body = log_in("alice", PASSWORD);
            tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap() })
        });
        let mut busy = 0;
        for reply in tries.collect::<Vec<_>>() {
            let reply = reply.await.unwrap();
            match reply.status().as_u16() {
                201 => {}
                503 => {
                    assert_eq!(reply.headers()["retry-after"], "3");
                    busy += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert!((1..40).contains(&busy), "{busy}");
    }
}
