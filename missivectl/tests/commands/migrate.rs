//! `migrate status | run`, on a database that is not there yet.

use serde_json::{Value, json};

use crate::common::{Home, both_new};

#[tokio::test]
async fn only_run_makes_a_database_and_once_is_enough() {
    for mut home in both_new().await {
        if !home.is_postgres() {
            home.ctl(&["migrate", "status", "--json"]).await.assert_error(4, "database_unavailable");
            assert_eq!(home.dir().read_dir().unwrap().count(), 0);
        }
        let first = home.ctl_json(&["migrate", "run"]).await;
        let applied = first["applied"].as_array().unwrap();
        assert_eq!((&applied[0]["version"], &applied[0]["applied"]), (&json!(1), &json!(true)));
        assert_eq!(home.ctl_json(&["migrate", "run"]).await["applied"], json!([]));

        let status = home.ctl_json(&["migrate", "status"]).await;
        assert_eq!((&status["pending"], &status["migrations"]), (&json!(0), &first["applied"]));
        home.ctl(&["account", "list", "--json"]).await.assert_error(4, "not_initialised");
        home.ctl(&["token", "purge", "--json"]).await.assert_error(4, "not_initialised");
        assert!(!home.dir().join("master.key").exists());

        // What it made is what a server needs.
        home.start().await;
        home.register("ada").await;
    }
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    for mut home in both_new().await {
        home.start().await;
        home.stop().await;
        home.migrate_beyond(9_999).await;
        for command in [&["migrate", "run"][..], &["account", "list"], &["token", "purge"]] {
            let done = home.ctl(&[command, &["--json"]].concat()).await;
            done.assert_error(1, "failed");
            assert!(done.err.contains("migration 9999") && done.err.contains("newer version"), "{done:?}");
        }
        for migrates in [false, true] {
            let refused = home.try_start(migrates).await.err().unwrap();
            assert!(refused.contains("migration 9999"), "{refused}");
        }
    }
}

#[tokio::test]
async fn progress_is_told_line_by_line() {
    let home = Home::on_sqlite();
    let out = home.ctl(&["migrate", "run"]).await.out;
    assert!(out.contains("pending: 0001 server\n") && out.contains("applied: 0001 server\n"), "{out}");
    let again = home.ctl(&["migrate", "run"]).await.out;
    assert!(again.ends_with("has every migration already.\n") && again.lines().count() == 1, "{again}");
    let table = home.ctl(&["migrate", "status"]).await.out;
    assert!(table.contains("applied") && table.ends_with("is up to date.\n"), "{table}");
}

#[tokio::test]
async fn nothing_but_run_migrates() {
    for home in both_new().await {
        // A database with nothing in it.
        if !home.is_postgres() {
            std::fs::write(home.dir().join("homeserver.db"), "").unwrap();
        }
        for command in [vec!["account", "list"], vec!["account", "show", "ada"], vec!["token", "purge"]] {
            let args = [command, vec!["--json", "--database-auto-migrate", "true"]].concat();
            home.ctl(&args).await.assert_error(4, "not_migrated");
        }
        let health = home.ctl(&["health", "--json"]).await;
        assert!(health.document()["migrations"].as_str().unwrap().contains("missivectl migrate run"), "{health:?}");
        let status = home.ctl_json(&["migrate", "status"]).await;
        let all = status["migrations"].as_array().unwrap();
        assert!(!all.is_empty() && all.iter().all(|one| one["applied"] == Value::Bool(false)), "{status}");
        assert_eq!(status["pending"], json!(all.len()));
    }
}
