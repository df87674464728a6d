//! Accounts with more than one device.

use serde_json::{Value, json};

use super::{Owner, claim, count, publish, published, with};
use crate::common::{Home, PASSWORD, Person, both};

/// Gives an account a second device and logs it in.
async fn second_device(home: &Home, person: &Person) -> Person {
    const INSERT: &str = "INSERT INTO devices (account_id, device_id, created_at) VALUES ($1, 2, 0)";
    match &home.app.store {
        homeserver::store::Store::Sqlite { write, .. } => {
            sqlx::query(INSERT).bind(person.id).execute(write).await.unwrap();
        }
        homeserver::store::Store::Postgres(pool) => {
            sqlx::query(INSERT).bind(person.id).execute(pool).await.unwrap();
        }
    }
    home.app.directory.forget(person.id);
    let reply = home.try_log_in(&json!({ "name": person.name, "password": PASSWORD, "deviceId": 2 })).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    Person::logged_in(home, &reply)
}

fn device_ids(bundle: &Value) -> Vec<u64> {
    bundle["data"]["devices"].as_array().unwrap().iter().map(|device| device["deviceId"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_bundle_has_every_device_that_has_published_and_each_its_own_keys() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 2).await;
        let bob = home.register("bob").await;
        let tablet = second_device(&home, &alice).await;
        assert_eq!(device_ids(&claim(&bob, "alice").await.1), [1]);

        let other = Owner::new().upload(1..=3);
        let (status, body) = publish(&tablet, &other).await;
        assert_eq!((status, body["code"].as_str()), (409, Some("identity_changed")), "{body}");
        let upload = with(&owner.upload(1..=3), "registrationId", json!(99));
        assert_eq!(publish(&tablet, &upload).await.0, 200);
        let (_, bundle) = claim(&bob, "alice").await;
        assert_eq!(device_ids(&bundle), [1, 2]);
        assert_eq!(bundle["data"]["devices"][1]["registrationId"], 99);
        assert_eq!(bundle["data"]["devices"][1]["preKey"], upload["preKeys"][0]);
        assert_eq!(count(&alice).await["preKeys"], 0);
        assert_eq!(count(&tablet).await["preKeys"], 2);
    }
}

#[tokio::test]
async fn starting_over_removes_the_other_devices() {
    for home in both().await {
        let (alice, owner) = published(&home, "alice", 2).await;
        let bob = home.register("bob").await;
        let tablet = second_device(&home, &alice).await;
        assert_eq!(publish(&tablet, &owner.upload(1..=3)).await.0, 200);
        let body = with(&Owner::new().upload(1..=1), "password", json!(PASSWORD));
        assert_eq!(tablet.post("/api/v1/users/alice/identity", &body).await.0, 200);
        assert_eq!(device_ids(&claim(&bob, "alice").await.1), [2]);
        let (status, body) = alice.get("/api/v1/users/alice/keys/count").await;
        assert_eq!((status, body["code"].as_str()), (401, Some("session_ended")), "{body}");
        assert_eq!(home.try_log_in(&json!({ "name": "alice", "password": PASSWORD })).await.status, 404);
    }
}
