//! A one-time key is given out once, ever: a hundred claims at once, over connections of their own, from a real homeserver
//! process on either database.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)] // this test needs its part
#[path = "api/prekeys/owner.rs"]
mod owner;
mod process;

use std::{collections::HashSet, sync::Arc};

use owner::Owner;
use process::{Homeserver, Kind, Person};

on_both_databases!(a_hundred_claims_of_fifty_keys_get_each_key_once);

async fn a_hundred_claims_of_fifty_keys_get_each_key_once(kind: Kind) {
    let Some(server) = Homeserver::start_with(kind, &["limits.enabled=false"]).await else { return };
    let alice = Person::register(&server, "alice").await;
    let upload = Owner::new().upload(1..=50);
    let (status, body) = alice.request("POST", "/api/v1/users/alice/keys", Some(upload.clone())).await;
    assert_eq!(status, 200, "{body}");
    let bob = Arc::new(Person::register(&server, "bob").await);
    let claims = (0..100).map(|_| {
        let bob = bob.clone();
        tokio::spawn(async move { bob.request("GET", "/api/v1/users/alice/keys", None).await })
    });
    let (mut ec, mut pq, mut without) = (Vec::new(), Vec::new(), 0);
    for claim in claims.collect::<Vec<_>>() {
        let (status, body) = claim.await.unwrap();
        assert_eq!(status, 200, "{body}");
        let device = &body["data"]["devices"][0];
        pq.push(device["pqPreKey"]["publicKey"].to_string());
        match device.get("preKey") {
            Some(key) => ec.push(key["publicKey"].to_string()),
            None => without += 1,
        }
    }
    assert_eq!((ec.len(), without), (50, 50), "fifty keys, and fifty answers without");
    assert_eq!(ec.iter().collect::<HashSet<_>>().len(), 50, "an EC key was given out twice");
    let last_resort = upload["pqLastResortPreKey"]["publicKey"].to_string();
    let one_time = pq.iter().filter(|key| **key != last_resort).collect::<Vec<_>>();
    assert_eq!(one_time.len(), 50, "fifty Kyber keys, and fifty answers with the last resort");
    assert_eq!(one_time.into_iter().collect::<HashSet<_>>().len(), 50, "a Kyber key was given out twice");
    assert_eq!(server.database.rows("pre_keys").await, 0);
}
