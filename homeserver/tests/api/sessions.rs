//! Sessions: listed, ended, bounded, logged out of.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::{Home, Person, Socket, both, both_with};

async fn sessions(person: &Person) -> Vec<Value> {
    let (status, body) = person.get(&person.path("/sessions")).await;
    assert_eq!(status, 200, "{body}");
    body["data"]["sessions"].as_array().unwrap().clone()
}

async fn end(person: &Person, session: Uuid) -> (u16, Value) {
    person.delete(&person.path(&format!("/sessions/{session}"))).await
}

async fn assert_ended(home: &Home, person: &Person) {
    let (status, body) = person.get(&person.path("")).await;
    assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
    let reply = person.refresh(&person.refresh_token).await;
    assert_eq!((reply.status, reply.code()), (401, "session_ended"));
    assert!(home.log_in(&person.name).await.session() != person.session());
}

#[tokio::test]
async fn sessions_are_listed_the_last_used_first() {
    for home in both().await {
        let first = home.register("alice").await;
        let began = home.now().to_string();
        home.clock.advance(60_000);
        let second = home.log_in("alice").await;
        home.clock.advance(60_000);
        assert_eq!(first.refresh(&first.refresh_token).await.status, 200);
        let listed = sessions(&second).await;
        let expected = json!({
            "id": first.session(), "deviceId": 1, "createdAt": began, "lastUsedAt": home.now().to_string(),
            "current": false,
        });
        assert_eq!((listed.len(), &listed[0]), (2, &expected));
        assert_eq!((&listed[1]["id"], &listed[1]["current"]), (&json!(second.session()), &json!(true)));
    }
}

#[tokio::test]
async fn an_ended_session_is_dead_and_its_socket_closes() {
    for home in both().await {
        let (alice, other) = (home.register("alice").await, home.log_in("alice").await);
        let socket = Socket::open(&home, &other).await;
        assert_eq!(end(&alice, other.session()).await, (200, json!({ "data": {} })));
        assert_eq!(socket.closed().await, 4401);
        assert_eq!(sessions(&alice).await.len(), 1);
        let (status, body) = end(&alice, other.session()).await;
        assert_eq!((status, body["code"].as_str()), (404, Some("not_found")), "{body}");
        let (status, body) = alice.delete(&alice.path("/sessions/none")).await;
        assert_eq!((status, body["code"].as_str()), (404, Some("not_found")), "{body}");
        assert_ended(&home, &other).await;
        assert_eq!(end(&alice, alice.session()).await.0, 200);
        assert_ended(&home, &alice).await;
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_or_all_of_them() {
    for home in both().await {
        let (alice, second, third) =
            (home.register("alice").await, home.log_in("alice").await, home.log_in("alice").await);
        let reply = second.with_cookie("DELETE", "/api/v1/tokens", &second.refresh_token).await;
        assert_eq!((reply.status, &reply.body), (200, &json!({ "data": {} })));
        let removed = "refreshToken=; Path=/api/v1/tokens; Max-Age=0; HttpOnly; SameSite=Strict";
        assert_eq!(reply.cookie(), Some(removed));
        assert_eq!(sessions(&alice).await.len(), 2);
        let again = second.with_cookie("DELETE", "/api/v1/tokens", &second.refresh_token).await;
        assert_eq!((again.status, again.code()), (401, "session_ended"));
        assert_eq!(home.send("DELETE", "/api/v1/tokens", &[], Vec::new()).await.code(), "unauthorized");

        let bob = home.register("bob").await;
        let socket = Socket::open(&home, &alice).await;
        let reply = third.with_cookie("DELETE", "/api/v1/tokens?all=true", &third.refresh_token).await;
        assert_eq!(reply.status, 200);
        assert_eq!(socket.closed().await, 4401);
        for person in [&alice, &second, &third] {
            assert_ended(&home, person).await;
        }
        assert_eq!(bob.get(&bob.path("")).await.0, 200);
        let reply = bob.with_cookie("DELETE", "/api/v1/tokens?all=perhaps", &bob.refresh_token).await;
        assert_eq!((reply.status, reply.code()), (400, "malformed"));
    }
}

#[tokio::test]
async fn one_log_in_too_many_ends_the_least_recently_used() {
    for home in both_with(&["limits.sessions_per_account=3"]).await {
        let mut people = vec![home.register("alice").await];
        for _ in 0..2 {
            home.clock.advance(1_000);
            people.push(home.log_in("alice").await);
        }
        home.clock.advance(1_000);
        assert_eq!(people[0].refresh(&people[0].refresh_token).await.status, 200);
        let newest = home.log_in("alice").await;
        let ids = sessions(&newest).await.iter().map(|session| session["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids.len(), 3);
        assert!(!ids.contains(&json!(people[1].session())), "the second was used least recently");
        let (status, body) = people[1].get(&people[1].path("")).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
        assert_eq!(people[0].get(&people[0].path("")).await.0, 200);
    }
}

#[tokio::test]
async fn expired_sessions_are_counted_and_purged() {
    use homeserver::service::tokens;
    for home in both().await {
        let alice = home.register("alice").await;
        home.clock.advance(20 * 24 * 60 * 60 * 1_000);
        let bob = home.register("bob").await;
        home.clock.advance(11 * 24 * 60 * 60 * 1_000);
        assert_eq!(tokens::count_expired(&home.app).await.unwrap(), 1);
        let reply = alice.refresh(&alice.refresh_token).await;
        assert_eq!((reply.status, reply.code()), (401, "session_ended"));
        assert_eq!(tokens::purge_expired(&home.app).await.unwrap(), 1);
        assert_eq!(tokens::count_expired(&home.app).await.unwrap(), 0);
        let bob = Person::logged_in(&home, &bob.refresh(&bob.refresh_token).await);
        assert_eq!(tokens::purge_account(&home.app, bob.id).await.unwrap(), 1);
        assert_ended(&home, &bob).await;
    }
}
