//! `federation peer`: other servers, as an admin sees them and decides about them.

use std::ffi::OsString;

use homeserver::{
    clock::Clock,
    config::{Config, Flags},
    keys::federation::RecoveryKey,
    server::Server,
    service::federation_keys,
};
use missive_wire::Base64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Done, Home, both_running};

/// A homeserver `two.example`, with keys of its own.
struct Two {
    server: Server,
    _dir: TempDir,
}

impl Two {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flags = Flags {
            server_name: Some("two.example".into()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(dir.path().into()),
            set: vec!["federation.enabled=true".to_owned()],
            ..Flags::default()
        };
        let config = Config::load_from(flags, Vec::<(OsString, OsString)>::new()).unwrap();
        Self { server: Server::start(config, Clock::default()).await.unwrap(), _dir: dir }
    }

    /// Its public half.
    async fn add_recovery_key(&self) -> Value {
        let app = &self.server.app;
        let recovery = RecoveryKey::generate(&app.clock).unwrap();
        federation_keys::add_recovery_key(app, &recovery).await.unwrap();
        serde_json::to_value(Base64::from(&recovery.public()[..])).unwrap()
    }

    fn public_key(&self) -> Value {
        let document = federation_keys::document(&self.server.app).unwrap();
        serde_json::to_value(&document.keys.keys[0].public_key).unwrap()
    }
}

#[tokio::test]
async fn a_server_is_met_listed_and_shown() {
    for home in both_running().await {
        assert_eq!(home.ctl_json(&["federation", "peer", "list"]).await, json!({ "peers": [] }));
        let text = home.ctl(&["federation", "peer", "list"]).await;
        assert!(text.code == 0 && text.out.contains("No other server"), "{text:?}");
        for command in ["show", "accept", "forget"] {
            home.ctl(&["federation", "peer", command, "two.example", "--json"]).await.assert_error(3, "not_found");
        }

        let two = Two::start().await;
        let steps = check(&home, &two).await.document()["steps"].take();
        assert_eq!((&steps[0]["step"], &steps[0]["ok"]), (&json!("discovery"), &json!(true)));
        assert_eq!((&steps[1]["step"], &steps[1]["ok"]), (&json!("keys"), &json!(true)));
        assert_eq!(steps[2]["step"], "ping");

        let listed = home.ctl_json(&["federation", "peer", "list"]).await;
        let peer = &listed["peers"][0];
        assert_eq!((&peer["server"], &peer["keysChanged"]), (&json!("two.example"), &json!(false)));
        assert_eq!((&peer["failingSince"], &peer["waiting"]), (&Value::Null, &json!(0)));
        let shown = home.ctl_json(&["federation", "peer", "show", "two.example"]).await;
        assert_eq!((&shown["keys"][0]["publicKey"], &shown["unexplained"]), (&two.public_key(), &Value::Null));
        let text = home.ctl(&["federation", "peer", "show", "two.example"]).await;
        assert!(text.out.contains(two.public_key().as_str().unwrap()), "{text:?}");
        let text = home.ctl(&["federation", "peer", "list"]).await;
        assert!(text.out.contains("two.example") && text.out.contains("FAILING SINCE"), "{text:?}");
    }
}

#[tokio::test]
async fn keys_that_nothing_explains_wait_for_the_admin() {
    for home in both_running().await {
        let (before, after) = (Two::start().await, Two::start().await);
        let recovery_key = after.add_recovery_key().await;
        check(&home, &before).await;
        let checked = check(&home, &after).await;
        checked.assert_error(1, "failed");
        let step = checked.document()["steps"][1].take();
        assert_eq!((&step["ok"], &step["code"]), (&json!(false), &json!("unexplained_keys")));

        assert_eq!(home.ctl_json(&["federation", "peer", "list"]).await["peers"][0]["keysChanged"], true);
        let show = ["federation", "peer", "show", "two.example"];
        let shown = home.ctl_json(&show).await;
        assert_eq!(shown["keys"][0]["publicKey"], before.public_key(), "what was trusted stays trusted");
        assert_eq!(shown["unexplained"]["keys"][0]["publicKey"], after.public_key());
        assert!(shown["unexplained"]["changes"].to_string().contains("no trusted key vouches for it"));
        let text = home.ctl(&show).await;
        let (told, key) = ("missivectl federation peer accept two.example", after.public_key());
        assert!(text.out.contains(told) && text.out.contains(key.as_str().unwrap()), "{text:?}");
        // Whoever accepts the keys accepts that recovery key too.
        assert_eq!((&shown["recoveryKey"], &shown["unexplained"]["recoveryKey"]), (&Value::Null, &recovery_key));
        let told = format!("Its recovery key, which is new: {}", recovery_key.as_str().unwrap());
        assert!(text.out.contains(&told), "{text:?}");

        let accept = ["federation", "peer", "accept", "two.example", "--yes"];
        let accepted = home.ctl_json(&accept).await;
        assert_eq!((&accepted["changed"], &accepted["keys"][0]["publicKey"]), (&json!(true), &after.public_key()));
        assert_eq!((&accepted["recoveryKey"], &accepted["recoveryKeyBefore"]), (&recovery_key, &Value::Null));
        let shown = home.ctl_json(&show).await;
        assert_eq!((&shown["keys"][0]["publicKey"], &shown["unexplained"]), (&after.public_key(), &Value::Null));
        assert_eq!(shown["keys"].as_array().unwrap().len(), 1);
        assert_eq!(home.ctl_json(&accept).await["changed"], false);

        let forget = ["federation", "peer", "forget", "two.example", "--yes"];
        assert_eq!(home.ctl_json(&forget).await, json!({ "server": "two.example" }));
        home.ctl(&[&forget[..], &["--json"]].concat()).await.assert_error(3, "not_found");
        let steps = check(&home, &before).await.document()["steps"].take();
        assert_eq!(steps[1]["ok"], true, "as if it had never been met");
    }
}

#[tokio::test]
async fn a_check_says_which_step_fails_and_why() {
    let mut home = Home::on_sqlite();
    home.start().await;
    let two = Two::start().await;
    let address = two.server.address.to_string();
    for (server, resolved, code) in [
        ("two.example", "127.0.0.1:1", "connect"),
        ("three.example", address.as_str(), "wrong_server_name"),
        ("one.example", address.as_str(), "own_server"),
    ] {
        let checked = check_at(&home, server, resolved).await;
        checked.assert_error(1, "failed");
        let step = checked.document()["steps"][0].take();
        assert_eq!((&step["step"], &step["code"]), (&json!("discovery"), &json!(code)), "{step}");
    }
    let disabled = home.ctl(&["federation", "peer", "check", "two.example", "--json"]).await;
    disabled.assert_error(1, "failed");
    assert_eq!(disabled.document()["steps"][0]["code"], "federation_disabled");
    let text = home.ctl(&["federation", "peer", "check", "two.example"]).await;
    assert!(text.code == 1 && text.out.contains("FAILED  discovery"), "{text:?}");
    home.ctl(&["federation", "peer", "check", "no name", "--json"]).await.assert_error(2, "usage");
}

async fn check(home: &Home, two: &Two) -> Done {
    check_at(home, "two.example", &two.server.address.to_string()).await
}

async fn check_at(home: &Home, server: &str, address: &str) -> Done {
    let resolve = format!("federation.resolve={server}=http://{address}");
    let settings = ["--set", "federation.enabled=true", "--set", &resolve, "--json"];
    home.ctl(&[&["federation", "peer", "check", server], &settings[..]].concat()).await
}
