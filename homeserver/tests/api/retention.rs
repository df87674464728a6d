//! Retention and the wall clock: the one has nothing to do with the other.

use std::{sync::Arc, time::Duration};

use homeserver::{
    model::{DeviceKey, NewEnvelope},
    store::WriteOp,
};
use missive_wire::{Code, Content, DeviceId, MessageContent, MessageEnvelope, State};

use crate::common::both_with;

const TEN_YEARS_MILLIS: i64 = 10 * 365 * 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_clock_that_is_set_on_by_years_expires_nothing() {
    for home in both_with(&["retention.message_lifetime_seconds=10"]).await {
        let (alice, bob) = (home.register("alice").await, home.register("bob").await);
        let id = home.leave_message(&alice, &bob).await;
        home.clock.advance(TEN_YEARS_MILLIS);
        let turned = home.app.store.retention_clock().await.unwrap();
        let mut clock = turned;
        while clock.beat < turned.beat + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            clock = home.app.store.retention_clock().await.unwrap();
        }
        assert!(clock.millis < 60_000, "only the time that passed is counted: {clock:?}");
        assert_eq!(home.count_rows("pending_messages", "message_id", id).await, 1);
        assert_eq!(home.count_rows("message_statuses", "message_id", id).await, 0);

        home.clock.advance(-2 * TEN_YEARS_MILLIS);
        let back = home.app.store.retention_clock().await.unwrap();
        assert!(back.millis >= clock.millis, "nor does it ever go back");
        assert_eq!(home.count_rows("pending_messages", "message_id", id).await, 1);
    }
}

#[tokio::test]
async fn what_waits_too_long_for_another_homeserver_is_told() {
    for home in both_with(&["retention.message_lifetime_seconds=1"]).await {
        let alice = home.register("alice").await;
        let id = home.clock.new_id();
        let message = MessageEnvelope {
            id,
            sender: format!("alice@{}", home.server_name).parse().unwrap(),
            sender_device: DeviceId::FIRST,
            receiver: "bob@two.example".parse().unwrap(),
            content: MessageContent::Lone { kind: None, content: Content::encode(b"ciphertext") },
            registration_id: None,
            sent_at: home.now(),
        };
        let envelope = Arc::new(NewEnvelope::message(alice.id, &message));
        home.app.writer.write(vec![WriteOp::Enqueue { envelope, quota: None }]).await.unwrap();
        let mut statuses = Vec::new();
        while statuses.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let device = DeviceKey { account: alice.id, device: DeviceId::FIRST };
            statuses = home.app.store.statuses(device, 10).await.unwrap();
        }
        let told = &statuses[0];
        assert_eq!((told.message_id, told.state, told.code), (id, State::Undeliverable, Some(Code::Expired)));
        assert_eq!(told.sender.to_string(), "bob@two.example");
        assert_eq!(home.count_rows("federation_outbox", "message_id", id).await, 0);
    }
}
