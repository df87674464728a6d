//! Finding users across homeservers.

use serde_json::{Value, json};

use super::{
    draft::{Answer, Draft},
    fake::fakes,
    peer::{Peer, homes},
};
use crate::common::{Home, Pair, Person};

async fn search(person: &Person, text: &str) -> Value {
    let (status, body) = person.get(&format!("/api/v1/users?search={text}")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["data"]["more"], false);
    body["data"]["users"].clone()
}

async fn ask(home: &Home, path: &str) -> Answer {
    Draft { body: Vec::new(), ..Draft::to(home, "GET", path) }.send(home).await
}

#[tokio::test]
async fn an_exact_address_is_looked_up_at_its_server() {
    for pair in Pair::both().await {
        let alice = pair.one.register("alice").await;
        pair.two.register("bob").await;
        let revoked = pair.two.register("revoked").await;
        pair.two.revoke(&revoked).await;
        let found = json!([{ "name": "bob", "address": "bob@two.example" }]);
        assert_eq!(search(&alice, "bob@two.example").await, found);
        assert_eq!(search(&alice, "Bob@Two.Example").await, found);
        for nobody in ["bo@two.example", "carol@two.example", "revoked@two.example", "bob@two", "bob@", "@two.example"]
        {
            assert_eq!(search(&alice, nobody).await, json!([]), "{nobody}");
        }
        // What was said is remembered for a moment.
        pair.two.register("carol").await;
        assert_eq!(search(&alice, "carol@two.example").await, json!([]));
    }
}

#[tokio::test]
async fn half_a_servers_name_is_not_asked_and_no_answer_finds_nobody() {
    for (home, fake) in fakes().await {
        let alice = home.register("alice").await;
        fake.answer(200, json!({ "data": { "address": "bob@two.example" } }).to_string());
        for nobody in
            ["bob@two", "bob@two.exampl", "bob@dead.example", "bob@one", "b%20b@two.example", "bob@two.example:"]
        {
            assert_eq!(search(&alice, nobody).await, json!([]), "{nobody}");
        }
        assert_eq!(fake.asked().len(), 0);
        fake.lose(1);
        assert_eq!(search(&alice, "bob@two.example").await, json!([]));
        assert_eq!(search(&alice, "bob@two.example").await[0]["address"], "bob@two.example");
        search(&alice, "bob@two.example").await;
        let asked = fake.asked();
        assert_eq!(asked.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), ["/federation/v1/users/bob"; 2]);

        assert_eq!(search(&alice, "carol@two.example").await, json!([]), "it answers for somebody else");
        for (status, body) in [(403, "{\"error\":\"no\",\"code\":\"refused\"}"), (200, "[[[[[["), (500, "")] {
            fake.answer(status, body);
            assert_eq!(search(&alice, "dave@two.example").await, json!([]));
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_federate_finds_nobody_elsewhere() {
    for home in crate::common::both().await {
        let alice = home.register("alice").await;
        assert_eq!(search(&alice, "bob@two.example").await, json!([]));
    }
}

#[tokio::test]
async fn others_find_whole_names_and_list_none() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        home.register("alice").await;
        let revoked = home.register("alan").await;
        home.revoke(&revoked).await;
        for name in ["alice", "Alice", "alice@one.example"] {
            let answer = ask(&home, &format!("/federation/v1/users/{name}")).await;
            assert_eq!((answer.status, answer.signed), (200, true), "{answer:?}");
            assert_eq!(answer.body, json!({ "data": { "address": "alice@one.example" } }));
        }
        for (name, status, code) in [
            ("alan", 404, "not_found"),
            ("ali", 404, "not_found"),
            ("alice@two.example", 404, "not_found"),
            ("-", 400, "malformed"),
            ("%00", 400, "malformed"),
        ] {
            let answer = ask(&home, &format!("/federation/v1/users/{name}")).await;
            assert_eq!((answer.says(), answer.signed), ((status, code), true), "{name}");
        }
        let answer = ask(&home, "/federation/v1/users?prefix=al").await;
        assert_eq!((answer.says(), answer.signed), ((403, "directory_closed"), true));
        let answer = ask(&home, "/federation/v1/users").await;
        assert_eq!((answer.says(), answer.signed), ((400, "malformed"), true));
    }
}

#[tokio::test]
async fn others_list_names_where_the_admin_lets_them() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &["federation.directory=prefix"]).await {
        let revoked = home.register("alan").await;
        home.revoke(&revoked).await;
        for name in ["alice", "albert", "bob"] {
            home.register(name).await;
        }
        for number in 10..35 {
            home.register(&format!("user{number}")).await;
        }
        for (prefix, expected) in [("al", 2), ("AL", 2), ("user", 20), ("", 0), ("%25", 0), ("carol", 0)] {
            let answer = ask(&home, &format!("/federation/v1/users?prefix={prefix}")).await;
            assert_eq!((answer.status, answer.signed), (200, true), "{answer:?}");
            assert_eq!(answer.body["data"]["users"].as_array().unwrap().len(), expected, "{prefix}");
        }
        let answer = ask(&home, "/federation/v1/users?prefix=al").await;
        let expected = json!([{ "address": "albert@one.example" }, { "address": "alice@one.example" }]);
        assert_eq!(answer.body["data"]["users"], expected);
    }
}
