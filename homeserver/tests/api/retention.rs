//! Retention and the wall clock: the one has nothing to do with the other.

use std::time::Duration;

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
