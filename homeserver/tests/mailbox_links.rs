//! The hand-over's state machine when something goes wrong: a link that takes nothing, a write that fails, a store that
//! is full.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "mailbox/rig.rs"]
mod rig;

use std::sync::Arc;

use homeserver::{
    hub::{Done, Held, Input, Job, Outcome, Outgoing, Towards, Turns, WAIT, Written},
    model::StoredStatus,
};
use missive_wire::State;
use rig::{Heard, Rig, address};
use uuid::Uuid;

/// A device without a link to which three messages are being written, with a fourth queued behind; the write's job.
fn writing(rig: &mut Rig) -> (Vec<Heard>, Job) {
    let messages = (1..=4).map(|n| rig.message(n)).collect::<Vec<_>>();
    let mut outcomes = messages[..3].iter().map(|message| rig.deliver(message)).collect::<Vec<_>>();
    let job = rig.mailbox.next_job().unwrap();
    outcomes.push(rig.deliver(&messages[3]));
    (outcomes, job)
}

#[test]
fn what_is_queued_behind_a_failed_write_does_not_overtake_it() {
    let mut rig = Rig::new();
    let (outcomes, _) = writing(&mut rig);
    let mut other = (*rig.message(9)).clone();
    other.sender = address("carol");
    let alices = std::mem::take(&mut rig.turns);
    let others = rig.deliver(&other.into());
    rig.turns = alices;
    rig.mailbox.done(Done::Failed);
    let told = outcomes.iter().map(|outcome| outcome.outcome().unwrap()).collect::<Vec<_>>();
    assert_eq!(told, [Outcome::Failed, Outcome::Failed, Outcome::Failed, Outcome::AfterFailed]);
    rig.settle_jobs();
    assert_eq!(others.outcome(), Some(Outcome::Stored), "another sender's is not held up");
    assert_eq!(rig.rows.len(), 1);
}

#[test]
fn what_is_queued_behind_a_message_without_room_does_not_overtake_it() {
    let mut rig = Rig::new();
    let (outcomes, _) = writing(&mut rig);
    rig.mailbox.done(Done::Written(vec![Written::Stored(1, true), Written::Stored(2, true), Written::Full]));
    let told = outcomes.iter().map(|outcome| outcome.outcome().unwrap()).collect::<Vec<_>>();
    assert_eq!(told, [Outcome::Stored, Outcome::Stored, Outcome::Full, Outcome::AfterFailed]);
    assert!(rig.mailbox.next_job().is_none());
}

#[test]
fn a_link_that_takes_nothing_is_let_go_and_costs_the_database_no_more() {
    let mut rig = Rig::new();
    let messages = (1..=9).map(|n| rig.message(n)).collect::<Vec<_>>();
    let outcomes = messages.iter().map(|message| rig.deliver(message)).collect::<Vec<_>>();
    rig.settle_jobs();
    rig.connect_with(1, 4);
    for _ in 0..10 {
        let Some(job) = rig.mailbox.next_job() else { break };
        let done = rig.run(job);
        rig.mailbox.done(done);
    }
    assert!(rig.mailbox.is_idle(), "neither a link nor a job is left");
    assert_eq!(rig.received().len(), 4);
    assert!(rig.frames.is_let_go(), "the socket sees it");
    assert!(outcomes.iter().all(|outcome| outcome.outcome() == Some(Outcome::Stored)));
}

#[test]
fn a_session_ends_even_where_the_word_finds_no_room() {
    let mut rig = Rig::new();
    rig.connect_with(1, 2);
    rig.settle_jobs();
    rig.input(Input::EndSession(Uuid::nil()));
    assert!(rig.frames.is_let_go() && rig.mailbox.is_idle());
    assert_eq!(rig.received().len(), 2, "hello and drained fill it");
}

#[test]
fn after_a_close_nothing_more_is_sent() {
    let mut rig = Rig::online();
    let (first, second) = (rig.message(1), rig.message(2));
    let mut outcomes = vec![rig.deliver(&first)];
    rig.input(Input::EndAll);
    outcomes.push(rig.deliver(&second));
    rig.settle_jobs();
    let frames = rig.received();
    assert!(matches!(frames[..], [Outgoing::Message(_), Outgoing::Close(4401, _)]), "{frames:?}");
    assert!(outcomes.iter().all(|outcome| outcome.outcome() == Some(Outcome::Stored)));
}

#[test]
fn a_reading_for_the_link_before_says_nothing_to_the_next() {
    let mut rig = Rig::online();
    rig.input(Input::LookAgain);
    let mut job = rig.mailbox.next_job();
    while !matches!(job, Some(Job::ReadStatuses(_))) {
        let done = rig.run(job.unwrap());
        rig.mailbox.done(done);
        job = rig.mailbox.next_job();
    }
    rig.connect(2);
    let (message_id, sender) = (Uuid::from_u128(7), address("carol"));
    let status = StoredStatus { message_id, state: State::Received, sender, code: None };
    rig.mailbox.done(Done::ReadStatuses(vec![status]));
    rig.settle_jobs();
    let frames = rig.received();
    assert!(matches!(frames[0], Outgoing::Hello { .. }), "`hello` comes first: {frames:?}");
}

#[test]
fn hello_tells_of_what_the_link_before_left_unanswered() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let _outcome = rig.deliver(&message);
    rig.connect(2);
    rig.settle_jobs();
    let frames = rig.received();
    assert!(matches!(frames[0], Outgoing::Hello { pending: 1 }), "{frames:?}");
    assert!(matches!(frames[1], Outgoing::Message(_)), "{frames:?}");
    assert!(matches!(frames[2], Outgoing::Frame(_)), "{frames:?}");
}

#[test]
fn statuses_are_read_however_busy_the_mailbox_is() {
    let mut rig = Rig::new();
    rig.connect(1);
    let mut read = false;
    for n in 1..=20 {
        let message = rig.message(n);
        let _outcome = rig.deliver(&message);
        rig.now += WAIT;
        rig.mailbox.expire(rig.now);
        let job = rig.mailbox.next_job().unwrap();
        read |= matches!(job, Job::ReadStatuses(_));
        let done = rig.run(job);
        rig.mailbox.done(done);
    }
    assert!(read);
}

#[test]
fn what_a_new_socket_sends_does_not_overtake_what_failed_with_the_old_one() {
    let mut rig = Rig::new();
    let (first, second) = (rig.message(1), rig.message(2));
    drop(rig.deliver(&first));
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Write(_))));
    rig.turns = Arc::default();
    let again = rig.deliver(&first);
    rig.mailbox.done(Done::Failed);
    assert_eq!(again.outcome(), Some(Outcome::AfterFailed));
    assert_eq!(rig.deliver(&second).outcome(), Some(Outcome::AfterFailed));
    rig.turns.come(first.id);
    let (again, behind) = (rig.deliver(&first), rig.deliver(&second));
    rig.settle_jobs();
    assert_eq!((again.outcome(), behind.outcome()), (Some(Outcome::Stored), Some(Outcome::Stored)));
}

#[test]
fn of_two_that_failed_the_one_sent_first_holds_the_others_up() {
    let turns: Arc<Turns> = Arc::default();
    let ids = [1, 2].map(Uuid::from_u128);
    let [first, second] = ids.map(|id| Heard::default().replies(&turns, Some(id), 1).remove(0));
    second.tell(Outcome::Failed);
    first.tell(Outcome::Failed);
    assert_eq!(turns.held(&Towards::Account(Uuid::nil())), Some(Held::By(ids[0])), "told by two devices' mailboxes");
}

#[test]
fn a_message_without_an_id_cannot_come_again_and_holds_nothing_up() {
    let turns: Arc<Turns> = Arc::default();
    Heard::default().replies(&turns, None, 1).remove(0).tell(Outcome::Full);
    assert_eq!(turns.held(&Towards::Account(Uuid::nil())), None);
}

#[test]
fn a_message_to_several_devices_is_told_once_and_what_one_copy_lacks() {
    let turns: Arc<Turns> = Arc::default();
    let heard = Heard::default();
    let mut copies = heard.replies(&turns, Some(Uuid::from_u128(1)), 3);
    copies.remove(0).tell(Outcome::Received);
    copies.remove(0).tell(Outcome::Stored);
    assert_eq!(heard.outcome(), None, "one copy is under way");
    copies.remove(0).tell(Outcome::Received);
    assert_eq!(heard.outcome(), Some(Outcome::Received));
    let mut copies = heard.replies(&turns, Some(Uuid::from_u128(2)), 2);
    copies.remove(0).tell(Outcome::Received);
    drop(copies);
    assert_eq!(heard.outcome(), Some(Outcome::Failed), "a mailbox that vanished has not taken it");
    assert!(turns.held(&Towards::Account(Uuid::nil())).is_some());
}

#[test]
fn what_is_told_to_a_socket_that_ended_is_not_kept() {
    let turns: Arc<Turns> = Arc::default();
    for ended in [false, true] {
        let heard = Heard::default();
        let reply = heard.replies(&turns, Some(Uuid::from_u128(1)), 1).remove(0);
        if ended {
            heard.end();
        }
        reply.tell(Outcome::Stored);
        assert_eq!(heard.outcome(), (!ended).then_some(Outcome::Stored));
        let late = heard.replies(&turns, None, 1).remove(0);
        late.tell(Outcome::Stored);
    }
    assert_eq!(Arc::strong_count(&turns), 1, "nothing holds itself");
}
