//! Both ways, online and offline, and what is refused.

use serde_json::json;
use uuid::Uuid;

use super::people::{ALICE, BOB, acknowledge, all_told, settle, status_of};
use crate::common::{Pair, Socket, say};

#[tokio::test]
async fn messages_and_statuses_go_both_ways() {
    for pair in Pair::both().await {
        let (alice, bob) = pair.people().await;
        let (mut a, mut b) = (Socket::open(&pair.one, &alice).await, Socket::open(&pair.two, &bob).await);
        for number in 0..6 {
            let there = number % 2 == 0;
            let (from, to) = if there { (&mut a, &mut b) } else { (&mut b, &mut a) };
            let (sender, receiver) = if there { (ALICE, BOB) } else { (BOB, ALICE) };
            let id = say(from, receiver, "aGk=").await;
            let message = to.next_with("content").await;
            assert_eq!((&message["id"], &message["sender"]), (&json!(id), &json!(sender)), "{number}");
            assert_eq!((message.get("senderId"), &message["kind"]), (None, &json!("message")));
            acknowledge(to, &message).await;
            assert_eq!(status_of(from, id, "received").await["sender"], receiver);
            // What was displayed is noted, and told.
            to.send(&json!({"messageId": id, "state": "read", "receiver": sender})).await;
            assert_eq!(to.next_with("noted").await["noted"]["messageIds"], json!([id]));
            assert_eq!(status_of(from, id, "read").await["sender"], receiver);
        }
    }
}

#[tokio::test]
async fn who_is_offline_gets_it_later_and_in_order() {
    for pair in Pair::both().await {
        let (alice, bob) = pair.people().await;
        let mut a = Socket::open(&pair.one, &alice).await;
        let mut ids = Vec::new();
        for _ in 0..150 {
            let id = say(&mut a, BOB, "aGk=").await;
            status_of(&mut a, id, "sent").await;
            ids.push(id);
        }
        drop(a);
        let mut b = Socket::open(&pair.two, &bob).await;
        for id in &ids {
            let message = b.next_with("content").await;
            assert_eq!(message["id"], json!(id));
            acknowledge(&mut b, &message).await;
        }
        // Its sender was away, too.
        let mut a = Socket::open(&pair.one, &alice).await;
        all_told(&mut a, ids, "received").await;
    }
}

#[tokio::test]
async fn what_a_device_refuses_is_told() {
    for pair in Pair::both().await {
        let (alice, bob) = pair.people().await;
        let (mut a, mut b) = (Socket::open(&pair.one, &alice).await, Socket::open(&pair.two, &bob).await);
        for stored in [false, true] {
            let id = say(&mut a, BOB, "aGk=").await;
            let message = b.next_with("content").await;
            if stored {
                status_of(&mut a, id, "sent").await;
            }
            settle(&mut b, &message, &json!({"state": "undeliverable", "code": "undecryptable"})).await;
            assert_eq!(status_of(&mut a, id, "undeliverable").await["code"], "undecryptable");
        }
    }
}

#[tokio::test]
async fn what_a_homeserver_refuses_is_told() {
    for pair in Pair::both().await {
        let (alice, bob) = pair.people().await;
        let mut a = Socket::open(&pair.one, &alice).await;
        let id = say(&mut a, "nobody@two.example", "aGk=").await;
        let error = a.next_with("error").await;
        assert_eq!((&error["id"], &error["code"]), (&json!(id), &json!("not_found")), "{error}");
        assert_eq!(error.get("retryAfter"), None);

        let id = say(&mut a, BOB, "aGk=").await;
        status_of(&mut a, id, "sent").await;
        let wrong = Uuid::now_v7();
        let contents = json!({"2": {"registrationId": 5, "kind": "message", "content": "aGk="}});
        a.send(&json!({"id": wrong, "receiver": BOB, "contents": contents})).await;
        let error = a.next_with("error").await;
        assert_eq!((&error["id"], &error["code"]), (&json!(wrong), &json!("device_mismatch")), "{error}");
        assert_eq!((&error["missingDevices"], &error["extraDevices"]), (&json!([1]), &json!([2])), "{error}");

        pair.two.revoke(&bob).await;
        assert_eq!(status_of(&mut a, id, "undeliverable").await["code"], "receiver_gone");
        let gone = say(&mut a, BOB, "aGk=").await;
        let error = a.next_with("error").await;
        assert_eq!((&error["id"], &error["code"]), (&json!(gone), &json!("receiver_gone")), "{error}");
    }
}

#[tokio::test]
async fn whom_nobody_knows_is_looked_for_while_the_message_waits_with_its_sender() {
    for pair in Pair::both().await {
        let (alice, bob) = (pair.one.register("alice").await, pair.two.register("bob").await);
        let (mut a, mut b) = (Socket::open(&pair.one, &alice).await, Socket::open(&pair.two, &bob).await);
        let id = say(&mut a, BOB, "aGk=").await;
        let error = a.next_with("error").await;
        assert_eq!((&error["id"], &error["code"]), (&json!(id), &json!("unknown_server")), "{error}");
        assert!(error["retryAfter"].is_u64());
        pair.meet().await;
        a.send(&json!({"id": id, "receiver": BOB, "kind": "message", "content": "aGk="})).await;
        assert_eq!(b.next_with("content").await["id"], json!(id));

        let id = say(&mut a, "bob@nowhere.example", "aGk=").await;
        let error = a.next_with("error").await;
        assert_eq!((&error["id"], &error["code"]), (&json!(id), &json!("unknown_server")), "{error}");
    }
}
