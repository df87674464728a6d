//! `account list | show | restore`, and what `revoke` says.

use serde_json::{Value, json};

use crate::common::both_running;

#[tokio::test]
async fn accounts_are_listed_by_name_page_by_page_and_by_prefix() {
    for home in both_running().await {
        assert_eq!(home.ctl_json(&["account", "list"]).await, json!({ "accounts": [], "more": false }));
        for name in ["bob", "ada", "ada.lovelace", "adam", "zoe"] {
            home.register(name).await;
        }
        assert_eq!(names(&home.ctl_json(&["account", "list"]).await), ["ada", "ada.lovelace", "adam", "bob", "zoe"]);
        assert_eq!(
            names(&home.ctl_json(&["account", "list", "--search", "Ada"]).await),
            ["ada", "ada.lovelace", "adam"]
        );
        let page = home.ctl_json(&["account", "list", "--limit", "2"]).await;
        assert_eq!((names(&page), &page["more"]), (vec!["ada", "ada.lovelace"], &json!(true)));
        let whole = home.ctl_json(&["account", "list", "--search", "ada", "--limit", "3"]).await;
        assert_eq!((names(&whole).len(), &whole["more"]), (3, &json!(false)));

        let text = home.ctl(&["account", "list", "--limit", "2"]).await.out;
        assert!(text.contains("ada.lovelace@one.example") && text.contains("There are more"), "{text}");
    }
}

#[tokio::test]
async fn an_account_is_shown_with_what_waits_for_it_and_nothing_secret() {
    for mut home in both_running().await {
        let (ada, bob) = (home.register("ada").await, home.register("bob").await);
        home.leave_message(&bob, &ada).await;
        home.log_in("ada").await.unwrap();
        let shown = home.ctl_json(&["account", "show", "ada"]).await;
        let account = &shown["account"];
        assert_eq!(account["id"], json!(ada.id));
        assert_eq!(account["address"], "ada@one.example");
        assert_eq!((&account["revokedAt"], &account["devices"]), (&Value::Null, &json!(1)));
        assert_eq!((&account["sessions"], &account["pendingMessages"]), (&json!(2), &json!(1)));
        let device = &shown["devices"][0];
        assert_eq!((&device["deviceId"], &device["published"]), (&json!(1), &json!(false)));
        assert_eq!((&device["preKeys"], &device["pqPreKeys"]), (&json!(0), &json!(0)));
        assert_eq!(device["pendingMessages"], json!(1));
        assert_eq!(shown["sessions"].as_array().unwrap().len(), 2);
        let text = shown.to_string();
        assert!(!text.to_lowercase().contains("token") && !text.contains("argon2"), "{text}");

        home.stop().await;
        assert_eq!(home.ctl_json(&["account", "show", "ada@one.example"]).await, shown);
        let text = home.ctl(&["account", "show", "ada"]).await.out;
        assert!(text.contains("pending messages: 1") && text.contains("Sessions"), "{text}");
    }
}

#[tokio::test]
async fn revoking_and_restoring_are_idempotent_and_say_so() {
    for mut home in both_running().await {
        home.register("ada").await;
        home.stop().await;
        let restored = home.ctl(&["account", "restore", "ada"]).await;
        assert_eq!((restored.code, restored.out.as_str()), (0, "ada@one.example is not revoked; nothing to do.\n"));

        let revoked = home.ctl_json(&["account", "revoke", "ada", "--yes"]).await;
        assert_eq!((&revoked["changed"], &revoked["endedSessions"]), (&json!(true), &json!(1)));
        let since = revoked["account"]["revokedAt"].clone();
        assert!(since.is_string());
        let again = home.ctl_json(&["account", "revoke", "ada"]).await;
        assert_eq!((&again["changed"], &again["endedSessions"]), (&json!(false), &json!(0)));
        assert_eq!(again["account"]["revokedAt"], since);
        let text = home.ctl(&["account", "revoke", "ada"]).await.out;
        assert!(text.starts_with("ada@one.example is already revoked, since 2"), "{text}");

        assert_eq!(home.ctl_json(&["account", "restore", "ada"]).await["changed"], json!(true));
        assert_eq!(home.ctl_json(&["account", "show", "ada"]).await["account"]["revokedAt"], Value::Null);
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["accounts"].as_array().unwrap().iter().map(|account| account["name"].as_str().unwrap()).collect()
}
