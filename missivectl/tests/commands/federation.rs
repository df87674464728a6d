//! `federation`: the signing keys and the recovery key.

use std::{fs, os::unix::fs::PermissionsExt as _};

use homeserver::keys::federation::RecoveryKey;
use serde_json::{Value, json};

use crate::common::{Done, Home, both_running};

#[tokio::test]
async fn the_key_is_listed_whether_a_server_runs_or_not() {
    for mut home in both_running().await {
        let listed = home.ctl_json(&["federation", "key", "list"]).await;
        assert_eq!((&listed["serverName"], &listed["recoveryKey"]), (&json!("one.example"), &Value::Null));
        let key = &listed["keys"][0];
        assert_eq!(
            (&key["state"], &key["signedBy"], &key["revokedAt"]),
            (&json!("signing"), &Value::Null, &Value::Null)
        );
        assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
        let id = key["keyId"].as_str().unwrap();
        home.stop().await;
        let text = home.ctl(&["federation", "key", "list"]).await;
        assert!(text.code == 0 && text.out.contains(id) && text.out.contains("signing"), "{text:?}");
        assert!(text.out.contains("no recovery key"), "{text:?}");
    }
}

#[tokio::test]
async fn a_rotation_is_signed_by_the_key_before() {
    for home in both_running().await {
        let first = home.ctl_json(&["federation", "key", "list"]).await["keys"][0]["keyId"].take();
        let rotated = home.ctl_json(&["federation", "key", "rotate"]).await;
        assert_eq!((&rotated["key"]["state"], &rotated["key"]["signedBy"]), (&json!("next"), &first));
        let at = "2029-01-01T00:00:00Z";
        let later = home.ctl_json(&["federation", "key", "rotate", "--valid-from", at]).await;
        assert_eq!(later["key"]["signedBy"], rotated["key"]["keyId"]);
        assert_eq!(later["key"]["validFrom"], "2029-01-01T00:00:00.000Z");
        let states: Vec<_> = home.ctl_json(&["federation", "key", "list"]).await["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["state"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(states, ["signing", "next", "next"]);

        home.ctl(&["federation", "key", "rotate", "--json"]).await.assert_error(1, "failed");
        let past = ["federation", "key", "rotate", "--valid-from", "2020-01-01T00:00:00Z", "--json"];
        home.ctl(&past).await.assert_error(2, "usage");
        home.ctl(&["federation", "key", "rotate", "--valid-from", "soon", "--json"]).await.assert_error(2, "usage");
    }
}

#[tokio::test]
async fn a_recovery_key_is_made_once_and_for_its_owner_only() {
    for home in both_running().await {
        let (file, other) = (path(&home, "recovery.key"), path(&home, "other.key"));
        fs::write(&other, "mine").unwrap();
        let taken = create(&home, &other).await;
        taken.assert_error(2, "usage");
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine", "never over another file");
        let nowhere = create(&home, &path(&home, "no/such/recovery.key")).await;
        nowhere.assert_error(1, "failed");
        assert_eq!(home.ctl_json(&["federation", "key", "list"]).await["recoveryKey"], Value::Null);

        let created = create(&home, &file).await;
        assert_eq!((created.code, created.err.as_str()), (0, ""));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let listed = home.ctl_json(&["federation", "key", "list"]).await;
        assert_eq!(listed["recoveryKey"], created.document()["recoveryKey"]);

        let again = create(&home, &path(&home, "second.key")).await;
        again.assert_error(1, "failed");
        assert!(again.err.contains("has a recovery key already"), "{again:?}");
        assert!(!home.dir().join("second.key").exists());
    }
}

#[tokio::test]
async fn a_revoked_key_is_replaced_and_stays_revoked() {
    for home in both_running().await {
        let file = path(&home, "recovery.key");
        create(&home, &file).await;
        let first = home.ctl_json(&["federation", "key", "list"]).await["keys"][0]["keyId"].take();
        let revoke = ["federation", "key", "revoke", first.as_str().unwrap(), "--recovery-key", &file];
        let revoked = home.ctl_json(&revoke).await;
        assert_eq!((&revoked["changed"], &revoked["key"]["state"]), (&json!(true), &json!("revoked")));
        let successor = &revoked["successor"];
        assert_eq!((&successor["state"], &successor["signedBy"]), (&json!("signing"), &json!("recovery")));
        let again = home.ctl_json(&revoke).await;
        assert_eq!((&again["changed"], &again["successor"]), (&json!(false), &Value::Null));
        assert_eq!(again["key"], revoked["key"]);
        let text = home.ctl(&revoke).await;
        assert!(text.out.contains("already revoked"), "{text:?}");

        let unknown = ["federation", "key", "revoke", "0123456789abcdef", "--recovery-key", &file, "--json"];
        home.ctl(&unknown).await.assert_error(3, "not_found");
        let rotated = home.ctl_json(&["federation", "key", "rotate", "--recovery-key", &file]).await;
        assert_eq!(rotated["key"]["signedBy"], "recovery");
    }
}

#[tokio::test]
async fn what_is_not_the_recovery_key_is_refused_with_the_reason() {
    for home in both_running().await {
        let (file, wrong) = (path(&home, "recovery.key"), path(&home, "wrong.key"));
        let key = home.ctl_json(&["federation", "key", "list"]).await["keys"][0]["keyId"].take();
        let stranger = RecoveryKey::generate(&home.clock).unwrap();
        stranger.write(wrong.as_ref(), "one.example").unwrap();
        assert_refused(&home, &key, &wrong, 1, "has no recovery key").await;
        create(&home, &file).await;
        assert_refused(&home, &key, &wrong, 1, "not the recovery key").await;

        let elsewhere = path(&home, "elsewhere.key");
        stranger.write(elsewhere.as_ref(), "two.example").unwrap();
        assert_refused(&home, &key, &elsewhere, 2, "recovery key of two.example").await;
        let master = path(&home, "master.key");
        assert_refused(&home, &key, &master, 2, "is no recovery key file").await;
        assert_refused(&home, &key, &path(&home, "nothing.key"), 1, "cannot be used").await;
        assert_eq!(home.ctl_json(&["federation", "key", "list"]).await["keys"].as_array().unwrap().len(), 1);
    }
}

async fn assert_refused(home: &Home, key: &Value, file: &str, exit: i32, reason: &str) {
    let key = key.as_str().unwrap();
    for command in [&["rotate"][..], &["revoke", key]] {
        let args = [&["federation", "key"], command, &["--recovery-key", file, "--json"]].concat();
        let done = home.ctl(&args).await;
        done.assert_error(exit, if exit == 2 { "usage" } else { "failed" });
        assert!(done.err.contains(reason), "{done:?}");
    }
}

async fn create(home: &Home, file: &str) -> Done {
    home.ctl(&["federation", "recovery-key", "create", "--output", file, "--json"]).await
}

fn path(home: &Home, name: &str) -> String {
    home.dir().join(name).to_str().unwrap().to_owned()
}
