//! Claiming keys elsewhere: what is asked, and what is made of a refusal or of none at all.

use serde_json::{Value, json};

use super::{fake::fakes, owner::Owner, spoiled::bundle};

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more_under_the_same_id() {
    for (home, fake) in fakes().await {
        let alice = home.register("alice").await;
        let good = bundle(&Owner::new());
        fake.answer(200, json!({ "data": good }).to_string());
        fake.lose(1);
        let (status, body) = alice.get("/api/v1/users/bob@two.example/keys").await;
        assert_eq!((status, &body["data"]), (200, &good));
        let asked = fake.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0].body, asked[1].body);
        assert_eq!(asked[0].body["requester"], "alice@one.example");
        assert!(asked.iter().all(|asked| asked.path == "/federation/v1/users/bob/claim"));

        assert_eq!(alice.get("/api/v1/users/bob@two.example/keys").await.0, 200);
        let again = fake.asked();
        assert_eq!(again.len(), 1);
        assert_ne!(again[0].body["claimId"], asked[0].body["claimId"], "each claim has an id of its own");

        fake.lose(2);
        let (status, body) = alice.get("/api/v1/users/bob@two.example/keys").await;
        assert_eq!((status, &body["code"], &body["retryAfter"]), (404, &json!("unknown_server"), &json!(15)), "{body}");
        assert_eq!(fake.asked().len(), 2);
    }
}

#[tokio::test]
async fn refusals_are_passed_on_and_end_nobodys_session() {
    for (home, fake) in fakes().await {
        let alice = home.register("alice").await;
        let told = |code: &str| json!({ "error": "so\u{1b}[31m it\n is\u{202e}", "code": code });
        let waits = |code: &str| json!({ "error": "so it is", "code": code, "retryAfter": 1_000_000 });
        let cases = [
            (404, told("not_found"), (404, "not_found", Value::Null)),
            (404, told("no_keys"), (404, "no_keys", Value::Null)),
            (410, told("receiver_gone"), (410, "receiver_gone", Value::Null)),
            (429, waits("rate_limited"), (429, "rate_limited", json!(600))),
            (401, told("session_ended"), (404, "unknown_server", json!(15))),
            (403, told("account_revoked"), (422, "refused", Value::Null)),
            (500, told("internal"), (404, "unknown_server", json!(15))),
            (503, waits("unavailable"), (404, "unknown_server", json!(600))),
            (418, told("a_code_of_the_future"), (422, "refused", Value::Null)),
            (404, json!("nothing"), (422, "refused", Value::Null)),
        ];
        for (status, body, expected) in cases {
            fake.answer(status, body.to_string());
            let (status, body) = alice.get("/api/v1/users/bob@two.example/keys").await;
            let got = (status, body["code"].as_str().unwrap(), body["retryAfter"].clone());
            assert_eq!(got, expected, "{body}");
            let text = body["error"].as_str().unwrap();
            assert!(text.starts_with("two.example ") && !text.contains(['\u{1b}', '\n', '\u{202e}']), "{text}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of_and_delays_nobody() {
    for (home, fake) in fakes().await {
        let alice = home.register("alice").await;
        fake.answer(200, json!({ "data": bundle(&Owner::new()) }).to_string());
        let (status, body) = alice.get("/api/v1/users/bob@dead.example/keys").await;
        assert_eq!((status, body["code"].as_str()), (404, Some("unknown_server")), "{body}");
        assert!(body["retryAfter"].as_u64().is_some() && body["error"].as_str().unwrap().contains("dead.example"));
        assert_eq!(alice.get("/api/v1/users/bob@two.example/keys").await.0, 200);
    }
}
