//! `token purge`: expired sessions, or all of one account.

use missive_wire::Timestamp;
use serde_json::json;

use crate::common::{both_new, both_running};

/// Longer than a refresh token lives.
const AGES_MILLIS: i64 = 40 * 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_dry_run_counts_and_ends_nothing() {
    for mut home in both_running().await {
        home.register("ada").await;
        home.log_in("ada").await.unwrap();
        home.stop().await;
        let dry = home.ctl_json(&["token", "purge", "--account", "ada", "--dry-run"]).await;
        assert_eq!(dry, json!({ "purged": 2, "dryRun": true, "account": "ada@one.example" }));
        let done = home.ctl_json(&["token", "purge", "--account", "ada"]).await;
        assert_eq!(done, json!({ "purged": 2, "dryRun": false, "account": "ada@one.example" }));
        let none = home.ctl(&["token", "purge", "--account", "ada"]).await;
        assert_eq!((none.code, none.out.as_str()), (0, "0 sessions of ada@one.example purged.\n"));
    }
}

#[tokio::test]
async fn where_no_account_is_named_only_expired_sessions_go() {
    for mut home in both_new().await {
        home.begin_at(Timestamp::from_millis(home.clock.now().millis() - AGES_MILLIS));
        home.start().await;
        home.register("ada").await;
        home.clock.advance(AGES_MILLIS);
        home.register("bob").await;
        home.stop().await;
        let dry = home.ctl_json(&["token", "purge", "--dry-run"]).await;
        assert_eq!(dry, json!({ "purged": 1, "dryRun": true, "account": null }));
        assert_eq!(home.ctl(&["token", "purge"]).await.out, "1 expired session purged.\n");
        assert_eq!(home.ctl_json(&["token", "purge"]).await["purged"], json!(0));
        assert_eq!(home.ctl_json(&["account", "show", "ada"]).await["account"]["sessions"], json!(0));
        assert_eq!(home.ctl_json(&["account", "show", "bob"]).await["account"]["sessions"], json!(1));
    }
}
