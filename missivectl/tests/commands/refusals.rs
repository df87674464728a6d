//! Exit codes and error texts.

use crate::common::{Home, missivectl};

#[tokio::test]
async fn an_unknown_account_ends_with_3_and_a_hint() {
    let mut home = Home::on_sqlite();
    home.start().await;
    home.register("ada").await;
    for command in [
        &["account", "show"][..],
        &["account", "revoke"],
        &["account", "restore"],
        &["token", "purge", "--account"],
        &["token", "purge", "--dry-run", "--account"],
    ] {
        for name in ["zoe", "ada@two.example"] {
            home.ctl(&[command, &[name, "--json"]].concat()).await.assert_error(3, "not_found");
        }
        home.ctl(&[command, &["no name", "--json"]].concat()).await.assert_error(2, "usage");
    }
    let text = home.ctl(&["account", "show", "zoe"]).await;
    assert!(text.out.is_empty() && text.err.contains("missivectl account list"), "{text:?}");
    assert!(home.ctl(&["account", "show", "ADA"]).await.code == 0, "names have no capitals");
}

#[tokio::test]
async fn a_database_that_is_not_there_ends_with_4_and_is_not_made() {
    let home = Home::on_sqlite();
    for command in [
        &["account", "list"][..],
        &["account", "show", "ada"],
        &["account", "revoke", "ada"],
        &["account", "restore", "ada"],
        &["token", "purge"],
        &["migrate", "status"],
    ] {
        let done = home.ctl(&[command, &["--json"]].concat()).await;
        done.assert_error(4, "database_unavailable");
        assert!(done.err.contains("--data-dir") && done.err.contains("--database-url"), "{done:?}");
    }
    let health = home.ctl(&["health", "--json"]).await;
    health.assert_error(5, "unhealthy");
    assert!(health.document()["database"].as_str().unwrap().starts_with("there is no database"));
    assert_eq!(home.dir().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_postgresql_without_that_database_ends_with_4_and_its_password_stays_unsaid() {
    let Some(url) = missing_postgres() else { return };
    let variables = [("MISSIVE_DATABASE_URL", url.as_str())];
    for command in [&["account", "list"][..], &["token", "purge"], &["migrate", "status"], &["migrate", "run"]] {
        let done = missivectl(&[command, &["--json"]].concat(), &variables).await;
        done.assert_error(4, "database_unavailable");
        assert!(done.err.contains("does not exist") && !done.err.contains(&url), "{done:?}");
        assert!(done.err.contains("postgres://[redacted]"), "{done:?}");
    }
    missivectl(&["health", "--json"], &variables).await.assert_error(5, "unhealthy");
}

/// The URL of a database that is not there, on the PostgreSQL of the tests.
fn missing_postgres() -> Option<String> {
    let server = std::env::var("MISSIVE_TEST_POSTGRES_URL").ok()?;
    Some(format!("{}/missive_nowhere", server.rsplit_once('/')?.0))
}

#[tokio::test]
async fn a_wrong_command_line_or_configuration_ends_with_2() {
    for args in [
        &["nonsense"][..],
        &["account", "list", "--limit", "0"],
        &["account", "show"],
        &["health", "--url", "ftp://one.example"],
        &["health", "--set", "nonsense=1"],
        &["migrate", "status", "--config", "/nonexistent.toml"],
    ] {
        missivectl(&[args, &["--json"]].concat(), &[]).await.assert_error(2, "usage");
        let done = missivectl(args, &[]).await;
        assert!(done.code == 2 && done.out.is_empty() && !done.err.is_empty(), "{done:?}");
    }
    missivectl(&["migrate", "status", "--json"], &[("MISSIVE_NONSENSE", "1")]).await.assert_error(2, "usage");
}

#[tokio::test]
async fn another_servers_name_is_refused() {
    let mut home = Home::on_sqlite();
    home.start().await;
    let done = home.ctl(&["account", "list", "--server-name", "two.example", "--json"]).await;
    done.assert_error(2, "usage");
    assert!(done.err.contains("belongs to the homeserver one.example"), "{done:?}");
}
