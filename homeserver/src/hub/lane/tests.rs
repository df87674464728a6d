use missive_wire::{EnvelopeResult, MessageId};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::{LaneState, LaneStep, Stored, Unanswered};
use crate::{
    hub::{Outcome, Sending, Towards, Turns, WAIT},
    model::{EnvelopeKey, Lane, NewEnvelope, OutboxRow},
};

/// A lane that knows that nothing is stored.
fn quiet(now: Instant) -> LaneState {
    let mut lane = LaneState::default();
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Read)));
    assert_eq!(lane.choose(Vec::new(), true), []);
    lane.fly_rows(Vec::new(), false, Uuid::new_v4());
    lane
}

fn take(lane: &mut LaneState, now: Instant) -> (EnvelopeKey, oneshot::Receiver<Outcome>) {
    let key = EnvelopeKey {
        account: Uuid::new_v4(),
        device: Some(missive_wire::DeviceId::FIRST),
        receiver: "bob@two.example".parse().unwrap(),
        receiver_device: None,
        message_id: MessageId::from(Uuid::new_v4()),
        state: None,
    };
    let to = Lane { destination: key.receiver.server.clone(), number: 0 };
    let envelope = NewEnvelope { key: key.clone(), lane: to, json: "{}".into() };
    let towards = Towards::Elsewhere(key.receiver.clone());
    let (mut replies, outcome) = Sending::of_transaction(&Turns::default().into(), towards, key.message_id, 1);
    lane.take(envelope.into(), replies.pop().unwrap(), now, true);
    (key, outcome)
}

#[test]
fn what_is_answered_while_it_is_being_stored_is_not_sent_again() {
    let now = Instant::now();
    let mut lane = quiet(now);
    let (key, mut outcome) = take(&mut lane, now);
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Send { fast: true, .. })));
    lane.expire(now + WAIT);
    assert_eq!(lane.next_write().map(|writing| writing.len()), Some(1));
    lane.landed(Ok(vec![EnvelopeResult::accepted(None)]), now);
    // Its row is there before the lane hears of it.
    lane.look_again(false);
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Read)));
    let row = OutboxRow { seq: 1, key, bytes: 2 };
    assert_eq!(lane.choose(vec![row.clone()], true), []);
    lane.written(Some(vec![Stored::At(1)]));
    assert_eq!(outcome.try_recv(), Ok(Outcome::Stored));
    assert_eq!(lane.choose(vec![row.clone()], true), []);
    lane.fly_rows(Vec::new(), false, Uuid::new_v4());
    let settled = match lane.next_step(now, true, Uuid::new_v4) {
        Some(LaneStep::Settle(landed)) => landed.into_iter().map(|(row, _)| row).collect(),
        _ => Vec::new(),
    };
    assert_eq!(settled, [row]);
}

#[test]
fn what_got_no_answer_is_put_aside_and_repeated_under_its_id() {
    let now = Instant::now();
    let mut lane = quiet(now);
    let (key, mut outcome) = take(&mut lane, now);
    let id = Uuid::new_v4();
    assert!(matches!(lane.next_step(now, true, || id), Some(LaneStep::Send { .. })));
    lane.landed(Err(Unanswered::NoAnswer), now);
    assert_eq!(lane.next_write().map(|writing| writing.len()), Some(1));
    lane.written(Some(vec![Stored::At(1)]));
    assert_eq!(outcome.try_recv(), Ok(Outcome::Stored));
    assert!(lane.flight.is_none(), "what waits for a homeserver takes no memory");
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Read)));
    let row = OutboxRow { seq: 1, key, bytes: 2 };
    assert_eq!(lane.reading(), (Some((id, vec![row.clone()])), Vec::new()));
    lane.fly_rows(vec![(row, "{}".into())], true, id);
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Send { id: again, .. }) if again == id));
}

#[test]
fn what_expires_between_two_reads_hides_nothing_behind_it() {
    let now = Instant::now();
    let mut lane = LaneState::default();
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Read)));
    let (key, _outcome) = take(&mut LaneState::default(), now);
    let row = OutboxRow { seq: 1, key, bytes: 2 };
    assert_eq!(lane.choose(vec![row.clone()], false), [row]);
    lane.fly_rows(Vec::new(), true, Uuid::new_v4());
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Read)));
}

#[test]
fn a_pair_that_is_deferred_keeps_no_server_from_stopping() {
    let now = Instant::now();
    let mut lane = quiet(now);
    let (key, _outcome) = take(&mut lane, now);
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Send { .. })));
    lane.landed(Ok(vec![EnvelopeResult::deferred()]), now);
    lane.next_write();
    lane.written(Some(vec![Stored::At(1)]));
    let until = lane.deadline(now, true).unwrap();
    assert_eq!(lane.deadline(now, false), None);
    assert_eq!(lane.reading().1, [key]);
    assert!(matches!(lane.next_step(now, true, Uuid::new_v4), Some(LaneStep::Read)));
    assert_eq!(lane.choose(Vec::new(), true), []);
    lane.fly_rows(Vec::new(), false, Uuid::new_v4());
    assert!(lane.next_step(now, true, Uuid::new_v4).is_none());
    assert!(matches!(lane.next_step(until, true, Uuid::new_v4), Some(LaneStep::Read)));
}
