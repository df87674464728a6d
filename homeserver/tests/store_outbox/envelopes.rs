//! Envelopes in the outbox: their order, their room, their end.

use std::time::Duration;

use homeserver::{
    model::{EnvelopeKey, Lane},
    store::{Quota, WriteOp, WriteResult},
};
use missive_wire::{Code, Envelope, State, Timestamp, Transaction};
use uuid::Uuid;

use crate::{
    database::Kind,
    on_both,
    rig::{Rig, account, device, enqueue, envelope, id, now, status},
};

on_both!(
    an_accounts_envelopes_keep_their_order,
    a_copy_is_not_kept_twice,
    what_finds_no_room_takes_the_rest_of_its_pair_along,
    a_closed_account_sends_nothing_new,
    an_envelope_is_settled_once,
    what_waits_too_long_expires,
    destinations_and_depths_are_counted,
    a_lane_has_one_holder,
    filled_lanes_are_told,
);

fn seq(result: &WriteResult) -> i64 {
    let WriteResult::Stored { seq, new: true } = result else { panic!("{result:?}") };
    *seq
}

async fn an_accounts_envelopes_keep_their_order(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let other = rig.other_writer().await;
    let write = async |writer: &homeserver::store::Writer, half: u128| {
        for n in 0..40 {
            let number = half * 1_000 + n;
            let ops = [0, 1].map(|from| enqueue(&envelope(from, "bob@two.example", number)));
            let results = writer.write(ops.to_vec()).await.unwrap().results;
            assert!(results.iter().all(|result| matches!(result, WriteResult::Stored { new: true, .. })));
        }
    };
    tokio::join!(write(&rig.writer, 1), write(&other, 2));
    for from in [0, 1] {
        let lane = envelope(from, "bob@two.example", 0).lane.clone();
        let rows = rig.store.outbox_rows(&lane, &[], 1_000).await.unwrap();
        let mine = rows.iter().filter(|row| row.key.account == account(from)).collect::<Vec<_>>();
        assert_eq!(mine.len(), 80);
        for half in [1, 2] {
            let ids = mine.iter().map(|row| row.key.message_id.as_u128()).filter(|id| id / 1_000 == half);
            assert!(ids.eq(half * 1_000..half * 1_000 + 40), "in the order of writing");
        }
        let first = rig.store.outbox_rows(&lane, &[], 5).await.unwrap();
        assert_eq!(first, rows[..5]);
        let waiting = [mine[0].key.clone()];
        let others = rig.store.outbox_rows(&lane, &waiting, 1_000).await.unwrap();
        assert!(others.iter().eq(rows.iter().filter(|row| !row.key.same_pair(&waiting[0]))));
        let wanted = [rows[2].seq, rows[1].seq, i64::MAX];
        let read = rig.store.outbox_envelopes(&wanted).await.unwrap();
        assert_eq!(read.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [rows[1].seq, rows[2].seq]);
        for ((_, json), row) in read.iter().zip(&rows[1..]) {
            assert_eq!(i64::try_from(json.len()).unwrap(), row.bytes);
            let body = Transaction::body([json.as_str()]);
            let read = Transaction::read(&body).unwrap().envelopes(&body).remove(0).unwrap();
            assert!(matches!(read, Envelope::Message(message) if message.id == row.key.message_id));
        }
    }
}

async fn a_copy_is_not_kept_twice(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let message = envelope(0, "bob@two.example", 1);
    let results = rig.write(vec![enqueue(&message), enqueue(&message)]).await;
    let first = seq(&results[0]);
    assert!(matches!(results[1], WriteResult::Stored { seq, new: false } if seq == first));
    let again = rig.write(vec![enqueue(&message)]).await;
    assert!(matches!(again[0], WriteResult::Stored { seq, new: false } if seq == first));
    let others = [envelope(1, "bob@two.example", 1), envelope(0, "bob@three.example", 1)];
    let statuses = [State::Received, State::Read].map(|state| status(0, "bob@two.example", 1, state));
    for result in rig.write(others.iter().chain(&statuses).map(enqueue).collect()).await {
        seq(&result);
    }
    let bytes = |envelope: &homeserver::model::NewEnvelope| i64::try_from(envelope.json.len()).unwrap();
    assert_eq!(rig.share(0, "bob@two.example/out").await, Some((1, bytes(&message))));
    assert_eq!(rig.share(0, "@two.example/out").await, Some((1, bytes(&message))));
    let told = Some((2, bytes(&statuses[0]) + bytes(&statuses[1])));
    assert_eq!(rig.share(0, "@two.example").await, told, "a status is counted where it was caused");
}

async fn what_finds_no_room_takes_the_rest_of_its_pair_along(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    // A tenth, and no less than 64 entries and 512 KiB.
    let quota = Some(Quota { entries: 100, bytes: 5_242_880 });
    let sized = |receiver: &str, number: u128, bytes: usize| {
        let mut envelope = (*envelope(0, receiver, number)).clone();
        envelope.json = "x".repeat(bytes);
        WriteOp::Enqueue { envelope: envelope.into(), quota }
    };
    let bob = "bob@two.example";
    let ops = vec![sized(bob, 1, 400_000), sized(bob, 2, 200_000), sized(bob, 3, 10), sized("dora@two.example", 4, 10)];
    let results = rig.write(ops).await;
    seq(&results[0]);
    assert!(matches!(results[1..3], [WriteResult::Full, WriteResult::Full]), "{results:?}");
    seq(&results[3]);
    seq(&rig.write(vec![sized(bob, 3, 10)]).await[0]);
    let unlimited = status(0, bob, 9, State::Received);
    seq(&rig.write(vec![WriteOp::Enqueue { envelope: unlimited, quota: None }]).await[0]);
    let many = rig.write((100..200).map(|number| sized("erin@three.example", number, 10)).collect()).await;
    assert_eq!(many.iter().filter(|result| matches!(result, WriteResult::Stored { .. })).count(), 64);
}

async fn a_closed_account_sends_nothing_new(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let first = envelope(0, "bob@two.example", 1);
    rig.write(vec![enqueue(&first)]).await;
    rig.store.revoke_account(account(0), &crate::rig::address(0), now()).await.unwrap().unwrap();
    let results =
        rig.write(vec![enqueue(&envelope(0, "bob@two.example", 2)), enqueue(&envelope(2, "x@y.example", 1))]).await;
    assert!(matches!(results[..], [WriteResult::Gone, WriteResult::Gone]), "{results:?}");
    let told = status(0, "bob@two.example", 3, State::Undeliverable);
    seq(&rig.write(vec![WriteOp::Enqueue { envelope: told, quota: None }]).await[0]);
    assert_eq!(rig.waiting("two.example").await.len(), 2, "what was taken still goes");
    let nobody = (*status(0, "bob@two.example", 4, State::Undeliverable)).clone();
    let nobody = homeserver::model::NewEnvelope { key: EnvelopeKey { account: id(99), ..nobody.key }, ..nobody };
    seq(&rig.write(vec![WriteOp::Enqueue { envelope: nobody.into(), quota: None }]).await[0]);
    let all = rig.waiting("two.example").await;
    let results = rig.write(all.into_iter().map(|row| WriteOp::Dequeue { row, status: None }).collect()).await;
    assert!(results.iter().all(|result| matches!(result, WriteResult::Done(1))));
    assert_eq!(rig.database.rows("pending_shares").await, 0);
}

async fn an_envelope_is_settled_once(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    rig.write((1..=3).map(|number| enqueue(&envelope(0, "bob@two.example", number))).collect()).await;
    let rows = rig.waiting("two.example").await;
    let dequeue = |row: &homeserver::model::OutboxRow| WriteOp::Dequeue {
        row: row.clone(),
        status: row.status(State::Received, None),
    };
    let other = rig.other_writer().await;
    let ops = || rows.iter().take(2).flat_map(|row| [dequeue(row), dequeue(row)]).collect::<Vec<_>>();
    let (one, two) = tokio::join!(rig.writer.write(ops()), other.write(ops()));
    let done = one.unwrap().results.into_iter().chain(two.unwrap().results);
    assert_eq!(done.filter(|result| matches!(result, WriteResult::Done(1))).count(), 2);
    let statuses = rig.store.statuses(device(0), 10).await.unwrap();
    let told = statuses.iter().map(|one| (one.message_id, one.state, one.sender.to_string())).collect::<Vec<_>>();
    assert_eq!(told, [1, 2].map(|number| (id(number), State::Received, "bob@two.example".to_owned())));
    assert_eq!(rig.waiting("two.example").await, rows[2..]);
    assert_eq!(rig.share(0, "bob@two.example/out").await, Some((1, rows[2].bytes)));

    let mut wrong = rows[2].clone();
    wrong.key.message_id = id(77);
    rig.writer.write(vec![dequeue(&wrong)]).await.unwrap_err();
    assert_eq!(rig.waiting("two.example").await.len(), 1, "nobody settles what it does not mean");
}

async fn what_waits_too_long_expires(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let old = [envelope(0, "bob@two.example", 1), status(0, "bob@two.example", 2, State::Received)];
    rig.write(old.iter().map(enqueue).collect()).await;
    let clock = rig.store.retention_clock().await.unwrap();
    rig.store.advance_retention_clock(&clock, Duration::from_millis(500), None).await.unwrap();
    rig.write(vec![enqueue(&envelope(0, "bob@two.example", 3))]).await;
    assert!(rig.store.expired_outbox(-1, 100).await.unwrap().is_empty());
    let expired = rig.store.expired_outbox(499, 100).await.unwrap();
    assert_eq!(expired.iter().map(|row| row.key.message_id).collect::<Vec<_>>(), [id(1), id(2)]);
    assert_eq!(rig.store.expired_outbox(499, 1).await.unwrap(), expired[..1]);
    assert_eq!(rig.store.expired_outbox(500, 100).await.unwrap().len(), 3);
    let told = expired[0].status(State::Undeliverable, Some(Code::Expired)).unwrap();
    assert_eq!((told.device, told.sender.to_string().as_str()), (device(0), "bob@two.example"));
    assert_eq!(expired[1].status(State::Undeliverable, None), None, "nobody is told of a status");
}

async fn destinations_and_depths_are_counted(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    assert!(rig.store.outbox_destinations().await.unwrap().is_empty());
    let names = ["a.example", "b.example:8448", "c.example"];
    for (number, name) in (0_u128..).zip(names) {
        let to = format!("bob@{name}");
        let message = |n| enqueue(&envelope(0, &to, number * 100 + n));
        rig.write((0..20).map(message).collect()).await;
    }
    rig.write(vec![enqueue(&status(0, "dora@c.example", 1, State::Read))]).await;
    let found = rig.store.outbox_destinations().await.unwrap();
    assert_eq!(found.iter().map(missive_wire::ServerName::as_str).collect::<Vec<_>>(), names);
    let depth = rig.store.outbox_depth(&found[2]).await.unwrap();
    assert_eq!((depth.messages, depth.statuses, depth.oldest), (20, 1, Some(0)));
    let none = rig.store.outbox_depth(&"z.example".parse().unwrap()).await.unwrap();
    assert_eq!((none.messages, none.statuses, none.oldest), (0, 0, None));
    let lane = envelope(0, "bob@a.example", 0).lane.clone();
    assert!(rig.store.has_outbox(&lane).await.unwrap());
    let empty = Lane { number: (lane.number + 1) % 8, ..lane };
    assert!(!rig.store.has_outbox(&empty).await.unwrap());
}

async fn a_lane_has_one_holder(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let lane = Lane { destination: "two.example".parse().unwrap(), number: 3 };
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let hold = |holder, from, until| {
        let (from, until) = (Timestamp::from_millis(from), Timestamp::from_millis(until));
        let (store, lane) = (&rig.store, &lane);
        async move { store.hold_lane(lane, holder, from, until).await.unwrap() }
    };
    assert!(hold(one, 0, 10).await);
    assert!(!hold(two, 9, 20).await);
    assert!(hold(one, 9, 30).await, "it is kept");
    assert!(!hold(two, 29, 40).await);
    assert!(hold(two, 30, 40).await, "its time is over");
    rig.store.leave_lane(&lane, one).await.unwrap();
    assert!(!hold(one, 31, 40).await, "it is the other's");
    rig.store.leave_lane(&lane, two).await.unwrap();
    assert!(hold(one, 31, 40).await);
    rig.store
        .purge_federation(Timestamp::from_millis(40), Timestamp::from_millis(0), Timestamp::from_millis(0))
        .await
        .unwrap();
    assert_eq!(rig.database.rows("federation_lanes").await, 0);
}

async fn filled_lanes_are_told(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    let filled = rig.writer.filled().clone();
    let next = async || tokio::time::timeout(Duration::from_secs(5), filled.next()).await.unwrap();
    let waiting = tokio::spawn({
        let filled = filled.clone();
        async move { filled.next().await }
    });
    let (bob, dora) = (envelope(0, "bob@two.example", 1), envelope(0, "dora@three.example", 1));
    rig.write(vec![enqueue(&bob)]).await;
    assert_eq!(waiting.await.unwrap(), std::slice::from_ref(&bob.lane));
    rig.write(vec![enqueue(&bob), enqueue(&dora)]).await;
    assert_eq!(next().await, std::slice::from_ref(&dora.lane), "only what is new");
    rig.write(vec![crate::rig::store_from(0, "bob@two.example", 5)]).await;
    let which = homeserver::model::MessageSelector::Id(id(5));
    let receiver = crate::rig::address(0);
    rig.write(vec![WriteOp::Settle { device: device(0), receiver, which, state: State::Received, code: None }]).await;
    let told = rig.waiting("two.example").await.into_iter().find(|row| row.key.state.is_some()).unwrap();
    assert_eq!(
        next().await,
        [Lane::of(&crate::rig::address(0), told.key.receiver_device.unwrap(), &told.key.receiver)]
    );
}
