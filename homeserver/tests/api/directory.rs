//! Searching the directory.

use serde_json::{Value, json};

use crate::common::{Person, both, both_with};

async fn search(person: &Person, query: &str) -> Value {
    let (status, body) = person.get(&format!("/api/v1/users?{query}")).await;
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

fn names(found: &Value) -> Vec<&str> {
    found["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_search_finds_by_the_beginning_of_the_name_and_never_the_caller() {
    for home in both().await {
        let alice = home.register("alice").await;
        for name in ["al", "albert", "al_bert", "al-bert", "al.bert", "alz", "am", "bob"] {
            home.register(name).await;
        }
        assert_eq!(names(&search(&alice, "search=al").await), ["al", "al-bert", "al.bert", "al_bert", "albert", "alz"]);
        assert_eq!(names(&search(&alice, "search=AL_").await), ["al_bert"]);
        assert_eq!(names(&search(&alice, "search=al&after=al_bert").await), ["albert", "alz"]);
        assert_eq!(names(&search(&alice, "search=alice").await), Vec::<&str>::new());
        for nobody in ["", "%25", "_", "a%20l", "al%7B", "*", "ä", "%00"] {
            assert_eq!(
                search(&alice, &format!("search={nobody}")).await,
                json!({ "users": [], "more": false }),
                "{nobody}"
            );
        }
        for bad in ["", "after=al", "search=al&after=%25"] {
            let (status, body) = alice.get(&format!("/api/v1/users?{bad}")).await;
            assert_eq!((status, body["code"].as_str()), (400, Some("malformed")), "{bad}: {body}");
        }
    }
}

#[tokio::test]
async fn an_exact_address_finds_that_account() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let found = search(&alice, "search=bob@one.example").await;
        assert_eq!(found["users"], json!([{ "id": bob.id, "name": "bob", "address": "bob@one.example" }]));
        for nobody in [
            "bob@one",
            "bob@two.example",
            "bo@one.example",
            "alice@one.example",
            "@one.example",
            "bob@",
            "%00@one.example",
        ] {
            assert_eq!(names(&search(&alice, &format!("search={nobody}")).await), Vec::<&str>::new(), "{nobody}");
        }
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    for home in both().await {
        let alice = home.register("alice").await;
        for number in 10..35 {
            home.register(&format!("user{number}")).await;
        }
        let first = search(&alice, "search=user").await;
        assert_eq!((names(&first).len(), &first["more"]), (20, &json!(true)));
        let last = names(&first)[19].to_owned();
        let second = search(&alice, &format!("search=user&after={last}")).await;
        assert_eq!(names(&second), ["user30", "user31", "user32", "user33", "user34"]);
        assert_eq!(second["more"], false);
    }
}

#[tokio::test]
async fn revoked_accounts_are_not_found() {
    for home in both().await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        home.revoke(&bob).await;
        assert_eq!(names(&search(&alice, "search=bo").await), Vec::<&str>::new());
        assert_eq!(names(&search(&alice, "search=bob@one.example").await), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn searches_of_one_account_are_limited() {
    for home in both_with(&["limits.searches_per_minute=3"]).await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        for _ in 0..3 {
            search(&alice, "search=b").await;
        }
        let (status, body) = alice.get("/api/v1/users?search=b").await;
        assert_eq!((status, body["code"].as_str()), (429, Some("rate_limited")), "{body}");
        search(&bob, "search=a").await;
    }
}
