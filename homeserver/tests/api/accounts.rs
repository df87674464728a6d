//! Registration, and the own account.

use serde_json::{Value, json};

use crate::common::{Home, PASSWORD, Person, both, both_with, claims};

const NEW_PASSWORD: &str = "another battery staple";

async fn register(home: &Home, body: &Value) -> (u16, Value) {
    home.post("/api/v1/users", body).await
}

fn wanted(name: &str) -> Value {
    json!({ "name": name, "password": PASSWORD })
}

#[tokio::test]
async fn registration_logs_device_1_in() {
    for home in both().await {
        let reply = home.send("POST", "/api/v1/users", &[], wanted("Alice").to_string().into_bytes()).await;
        assert_eq!((reply.status, &reply.body["data"]["name"]), (201, &json!("alice")), "{}", reply.body);
        assert_eq!(reply.body["data"]["deviceId"], 1);
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert!(reply.headers.contains_key("x-request-id"));

        let said = claims(reply.access_token());
        let all = ["profile:read", "profile:write", "keys:read", "keys:write", "messages:read", "messages:write"]
            .map(Value::from);
        assert_eq!((&said["sub"], &said["did"]), (&reply.body["data"]["id"], &json!(1)));
        assert_eq!(said["scope"], json!(all));
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 15 * 60);
        assert_eq!(said["iat"], home.now().millis() / 1_000);

        let cookie = reply.cookie().unwrap().to_owned();
        let (token, attributes) = cookie.strip_prefix("refreshToken=").unwrap().split_once(';').unwrap();
        assert_eq!(attributes, " Path=/api/v1/tokens; Max-Age=2592000; HttpOnly; SameSite=Strict");
        assert_eq!(claims(token)["sub"], said["sub"]);
        assert_eq!(claims(token)["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 30 * 24 * 60 * 60);
    }
}

#[tokio::test]
async fn the_cookie_is_secure_wherever_it_leaves_the_machine() {
    for home in both().await {
        let body = wanted("alice").to_string().into_bytes();
        let reply = home.send("POST", "/api/v1/users", &[("host", "chat.one.example")], body).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        assert!(reply.cookie().unwrap().ends_with("; SameSite=Strict; Secure"), "{:?}", reply.cookie());
    }
}

#[tokio::test]
async fn a_name_is_given_out_once() {
    for home in both().await {
        home.register("alice").await;
        for name in ["alice", "ALICE", "alice@one.example"] {
            let (status, body) = register(&home, &wanted(name)).await;
            assert_eq!((status, body["code"].as_str()), (409, Some("name_taken")), "{name}: {body}");
        }
    }
}

#[tokio::test]
async fn of_many_who_want_a_name_at_once_one_gets_it() {
    for home in both().await {
        let tries = (0..8).map(|_| {
            let (client, url) = (home.client.clone(), format!("{}/api/v1/users", home.url));
            tokio::spawn(async move { client.post(url).json(&wanted("alice")).send().await.unwrap().status().as_u16() })
        });
        let mut statuses = Vec::new();
        for status in tries.collect::<Vec<_>>() {
            statuses.push(status.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    }
}

#[tokio::test]
async fn names_keep_to_their_rule() {
    for home in both().await {
        let long = "a".repeat(65);
        for name in ["", " ", "-a", ".a", "a b", "ä", "a/b", "a\u{0}b", "alice@", "a@two.example", "a@b@c", &long] {
            let (status, body) = register(&home, &wanted(name)).await;
            assert_eq!((status, body["code"].as_str()), (400, Some("malformed")), "{name:?}: {body}");
        }
        for name in ["0", "a.b_c-d", &"z".repeat(64)] {
            assert_eq!(register(&home, &wanted(name)).await.0, 201, "{name}");
        }
    }
}

#[tokio::test]
async fn weak_passwords_are_refused_with_what_to_do() {
    for home in both().await {
        for (password, says) in [
            ("short", "at least 10 characters"),
            ("aaaaaaaaaaaaaaaa", "less regular"),
            ("12345678901234567890", "less regular"),
            ("Alice.Liddell", "the account's name"),
            (&"long enough ".repeat(100), "at most 1024 bytes"),
        ] {
            let (status, body) = register(&home, &json!({ "name": "alice.liddell", "password": password })).await;
            assert_eq!((status, body["code"].as_str()), (422, Some("weak_password")), "{password}: {body}");
            assert!(body["error"].as_str().unwrap().contains(says), "{body}");
        }
        assert_eq!(register(&home, &wanted("alice.liddell")).await.0, 201);
    }
}

#[tokio::test]
async fn what_comes_with_a_registration_is_checked() {
    for home in both().await {
        let cases = [
            (json!({ "identityKey": "?" }), 400, "malformed"),
            (json!({ "identityKey": "AAAA" }), 422, "invalid_key"),
            (json!({ "registrationId": 0 }), 422, "invalid_key"),
            (json!({ "registrationId": 16_381 }), 422, "invalid_key"),
            (json!({ "registrationId": -1 }), 400, "malformed"),
            (json!({ "deviceName": "" }), 400, "malformed"),
            (json!({ "deviceName": "a\nb" }), 400, "malformed"),
            (json!({ "deviceName": "x".repeat(65) }), 400, "malformed"),
        ];
        for (more, status, code) in cases {
            let mut body = wanted("alice");
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (got, answer) = register(&home, &body).await;
            assert_eq!((got, answer["code"].as_str()), (status, Some(code)), "{more}: {answer}");
        }
        let alice = home.register_with("alice", &json!({ "deviceName": " pocket ", "registrationId": 7 })).await;
        let (_, body) = alice.get(&alice.path("/sessions")).await;
        assert_eq!(body["data"]["sessions"][0]["deviceName"], "pocket");
    }
}

#[tokio::test]
async fn registration_can_be_closed() {
    for (mode, code) in [("closed", "registration_closed"), ("invite", "invite_required")] {
        for home in both_with(&[&format!("registration.mode={mode}")]).await {
            let mut body = wanted("alice");
            body["inviteToken"] = json!("guess");
            let (status, body) = register(&home, &body).await;
            assert_eq!((status, body["code"].as_str()), (403, Some(code)), "{body}");
        }
    }
}

#[tokio::test]
async fn registrations_of_one_source_are_limited() {
    for home in both_with(&["limits.registrations_per_hour=2"]).await {
        home.register("alice").await;
        home.register("bob").await;
        let reply = home.send("POST", "/api/v1/users", &[], wanted("eve").to_string().into_bytes()).await;
        assert_eq!((reply.status, reply.code()), (429, "rate_limited"));
        let seconds = reply.body["retryAfter"].as_u64().unwrap();
        assert!((1_000..=1_800).contains(&seconds), "{seconds}");
        assert_eq!(reply.headers["retry-after"], seconds.to_string());
    }
}

#[tokio::test]
async fn the_own_account_is_shown_and_the_push_registration_changed() {
    for home in both().await {
        let alice = home.register("alice").await;
        let (status, body) = alice.get(&alice.path("")).await;
        let expected = json!({
            "id": alice.id, "name": "alice", "address": "alice@one.example", "createdAt": home.now().to_string(),
        });
        assert_eq!((status, &body["data"]), (200, &expected));

        let (status, body) = alice.patch(&alice.path(""), &json!({ "notificationID": "https://push.example/1" })).await;
        assert_eq!((status, &body["data"]["notificationID"]), (200, &json!("https://push.example/1")));
        let (_, body) = alice.get(&alice.path("")).await;
        assert_eq!(body["data"]["notificationID"], "https://push.example/1");
        let (status, body) = alice.patch(&alice.path(""), &json!({ "notificationID": null })).await;
        assert_eq!((status, &body["data"]), (200, &expected));

        for bad in [json!({}), json!({ "notificationID": "" }), json!({ "notificationID": "x".repeat(2_049) })] {
            let (status, body) = alice.patch(&alice.path(""), &bad).await;
            assert_eq!((status, body["code"].as_str()), (400, Some("malformed")), "{body}");
        }
    }
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    for home in both().await {
        let alice = home.register("alice").await;
        let other = home.log_in("alice").await;
        let change = |old: &str, new: &str| json!({ "password": old, "newPassword": new });
        let cases = [
            (change("wrong", NEW_PASSWORD), 401, "wrong_credentials"),
            (change(PASSWORD, "weak"), 422, "weak_password"),
            (json!({ "password": PASSWORD }), 400, "malformed"),
            (json!({ "newPassword": NEW_PASSWORD }), 400, "malformed"),
        ];
        for (body, status, code) in cases {
            let (got, answer) = alice.patch(&alice.path(""), &body).await;
            assert_eq!((got, answer["code"].as_str()), (status, Some(code)), "{answer}");
        }
        let mut half = change(PASSWORD, NEW_PASSWORD);
        half["notificationID"] = json!("");
        assert_eq!(alice.patch(&alice.path(""), &half).await.0, 400, "nothing is changed by halves");
        assert_eq!(other.get(&other.path("")).await.0, 200);

        assert_eq!(alice.patch(&alice.path(""), &change(PASSWORD, NEW_PASSWORD)).await.0, 200);
        let (status, body) = other.get(&other.path("")).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
        assert_eq!(other.refresh(&other.refresh_token).await.code(), "session_ended");
        assert_eq!(alice.refresh(&alice.refresh_token).await.status, 200);
        let log_in = |password: &str| json!({ "name": "alice", "password": password });
        assert_eq!(home.try_log_in(&log_in(PASSWORD)).await.status, 401);
        assert_eq!(home.try_log_in(&log_in(NEW_PASSWORD)).await.status, 201);
    }
}

/// Where rows of an account are.
const OF_AN_ACCOUNT: [(&str, &str); 6] = [
    ("accounts", "id"),
    ("devices", "account_id"),
    ("sessions", "account_id"),
    ("pre_keys", "account_id"),
    ("pending_messages", "account_id"),
    ("message_statuses", "account_id"),
];

/// What acknowledges everything that waits for someone.
async fn all_of(person: &Person) -> Value {
    let (_, body) = person.get(&format!("/api/v1/users/{}/messages", person.name)).await;
    let ids: Vec<_> = body["data"]["messages"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    json!({ "ids": ids })
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_but_its_name() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let published = super::prekeys::Owner::new().upload(1..=2);
        assert_eq!(alice.post("/api/v1/users/alice/keys", &published).await.0, 200);
        home.leave_message(&alice, &bob).await;
        assert_eq!(bob.delete_with("/api/v1/users/bob/messages", &all_of(&bob).await).await.0, 200);
        let left = home.leave_message(&bob, &alice).await;
        for (table, column) in OF_AN_ACCOUNT {
            assert!(home.count_rows(table, column, alice.id).await > 0, "{table}");
        }
        let delete = |person: Person, password: &'static str| async move {
            person.delete_with(&person.path(""), &json!({ "password": password })).await
        };
        let (status, body) = delete(alice.clone(), "wrong").await;
        assert_eq!((status, body["code"].as_str()), (401, Some("wrong_credentials")), "{body}");
        assert_eq!(delete(alice.clone(), PASSWORD).await, (200, json!({ "data": {} })));

        let (status, body) = alice.get(&alice.path("")).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
        assert_eq!(alice.refresh(&alice.refresh_token).await.code(), "session_ended");
        assert_eq!(home.try_log_in(&wanted("alice")).await.code(), "wrong_credentials");
        assert_eq!(bob.get("/api/v1/users/alice/keys").await.0, 404);
        let (status, body) = register(&home, &wanted("alice")).await;
        assert_eq!((status, body["code"].as_str()), (409, Some("name_taken")), "{body}");

        let (_, body) = bob.get("/api/v1/users/bob/messages/status").await;
        let told = &body["data"]["statuses"][0];
        assert_eq!(
            (&told["messageId"], &told["state"], &told["code"]),
            (&json!(left), &json!("undeliverable"), &json!("receiver_gone"))
        );
        for (table, column) in OF_AN_ACCOUNT {
            assert_eq!(home.count_rows(table, column, alice.id).await, 0, "{table}");
        }
    }
}

#[tokio::test]
async fn anothers_account_is_refused_alike_whether_it_exists_or_not() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let nobody = uuid::Uuid::new_v4().to_string();
        for id in [bob.id.to_string(), nobody, "bob".into(), "%00".into(), "1".repeat(5_000)] {
            let path = format!("/api/v1/users/{id}");
            let answers = [
                alice.get(&path).await,
                alice.patch(&path, &json!({ "notificationID": "x" })).await,
                alice.delete_with(&path, &json!({ "password": PASSWORD })).await,
                alice.get(&format!("{path}/sessions")).await,
                alice.delete(&format!("{path}/sessions/{}", bob.session())).await,
            ];
            for (status, body) in answers {
                assert_eq!((status, body["code"].as_str()), (403, Some("not_owner")), "{id}: {body}");
            }
        }
        assert_eq!(bob.get(&bob.path("")).await.1["data"].get("notificationID"), None);
    }
}
