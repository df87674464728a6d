//! A homeserver that is away for an hour.

use std::time::Duration;

use serde_json::json;

use super::people::{BOB, acknowledge, all_told, status_of};
use crate::common::{Pair, Socket, say};

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn an_hour_without_the_other_loses_nothing() {
    for mut pair in Pair::both().await {
        let (alice, bob) = pair.people().await;
        let mut a = Socket::open(&pair.one, &alice).await;
        let first = say(&mut a, BOB, "aGk=").await;
        status_of(&mut a, first, "sent").await;
        pair.two.stop().await;

        let mut ids = vec![first];
        for minute in 0..60 {
            pair.clock.advance(MINUTE);
            if minute % 4 == 0 {
                let id = say(&mut a, BOB, "aGk=").await;
                status_of(&mut a, id, "sent").await;
                ids.push(id);
            }
        }
        // Local messages take no notice.
        let own = say(&mut a, "alice@one.example", "aGk=").await;
        assert_eq!(a.next_with("content").await["id"], json!(own));

        pair.two.start_again().await;
        let bob = pair.two.log_in(&bob.name).await;
        let mut b = Socket::open(&pair.two, &bob).await;
        // It says that it is back. If that were lost, the hour's last pause would end before long.
        pair.clock.advance(MINUTE);
        for id in &ids {
            let message = tokio::time::timeout(Duration::from_secs(20), b.next_with("content")).await.unwrap();
            assert_eq!(message["id"], json!(id));
            acknowledge(&mut b, &message).await;
        }
        all_told(&mut a, ids, "received").await;
    }
}

#[tokio::test]
async fn an_outbox_outlives_its_server() {
    for mut pair in Pair::both().await {
        let (alice, bob) = pair.people().await;
        let mut a = Socket::open(&pair.one, &alice).await;
        pair.two.stop().await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            let id = say(&mut a, BOB, "aGk=").await;
            status_of(&mut a, id, "sent").await;
            ids.push(id);
        }
        drop(a);
        pair.one.restart().await;
        pair.two.start_again().await;
        let bob = pair.two.log_in(&bob.name).await;
        pair.clock.advance(MINUTE);
        let mut b = Socket::open(&pair.two, &bob).await;
        for id in &ids {
            let message = b.next_with("content").await;
            assert_eq!(message["id"], json!(id));
            acknowledge(&mut b, &message).await;
        }
        let alice = pair.one.log_in(&alice.name).await;
        let mut a = Socket::open(&pair.one, &alice).await;
        all_told(&mut a, ids, "received").await;
    }
}
