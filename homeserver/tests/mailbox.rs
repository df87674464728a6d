//! The hand-over's state machine, alone: what it tells a sender, and what it asks the database, in which order.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "mailbox/rig.rs"]
mod rig;

use homeserver::{
    hub::{Done, Input, Job, Link, Outcome, Outgoing, Towards, WAIT, WINDOW},
    model::MessageSelector,
};
use missive_wire::{Code, DeviceId, State};
use rig::Rig;
use uuid::Uuid;

#[test]
fn an_acknowledged_message_touches_no_database() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let outcome = rig.deliver(&message);
    assert_eq!(rig.messages(), [1]);
    assert!(rig.mailbox.next_job().is_none());
    rig.received_says(&message);
    assert_eq!(outcome.outcome(), Some(Outcome::Received));
    assert!(rig.mailbox.next_job().is_none());
    assert!(rig.mailbox.deadline().is_none());
}

#[test]
fn an_unacknowledged_window_is_stored_whole_oldest_first_and_before_anything_newer() {
    let mut rig = Rig::online();
    let (first, second, third) = (rig.message(1), rig.message(2), rig.message(3));
    let mut outcomes = vec![rig.deliver(&first), rig.deliver(&second)];
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    outcomes.push(rig.deliver(&third));
    assert!(outcomes.iter().all(|outcome| outcome.outcome().is_none()), "nothing is told before the commit");
    rig.settle_jobs();
    assert!(outcomes.iter().all(|outcome| outcome.outcome() == Some(Outcome::Stored)));
    assert_eq!(rig.rows.iter().map(|row| row.message.id.as_u128()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(rig.messages(), [1, 2, 3], "the third is drained; the first two are on the device already");
}

#[test]
fn a_device_with_a_backlog_gets_nothing_past_the_store() {
    let mut rig = Rig::online();
    let (first, second) = (rig.message(1), rig.message(2));
    let _outcome = rig.deliver(&first);
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    rig.settle_jobs();
    let outcome = rig.deliver(&second);
    assert!(outcome.outcome().is_none());
    rig.settle_jobs();
    assert_eq!(outcome.outcome(), Some(Outcome::Stored));
    rig.received_says(&first);
    rig.received_says(&second);
    let notices = rig.settle_jobs();
    assert_eq!(notices.len(), 1, "both `received` are told in one frame: {notices:?}");
    assert_eq!(notices[0].status.ids().count(), 2);
    assert!(rig.rows.is_empty());

    let third = rig.message(3);
    let _outcome = rig.deliver(&third);
    assert!(rig.mailbox.next_job().is_none(), "with its backlog acknowledged the device is online again");
}

#[test]
fn an_acknowledgement_never_overtakes_its_insert() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let outcome = rig.deliver(&message);
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    let insert = rig.mailbox.next_job().unwrap();
    rig.received_says(&message);
    assert!(rig.mailbox.next_job().is_none(), "one job at a time");
    let done = rig.run(insert);
    rig.mailbox.done(done);
    assert_eq!(outcome.outcome(), Some(Outcome::Stored));
    let notices = rig.settle_jobs();
    assert_eq!(notices.len(), 1);
    assert!(rig.rows.is_empty(), "no row is left behind");
}

#[test]
fn a_lost_connection_stores_its_window_and_the_next_one_drains_it() {
    let mut rig = Rig::online();
    let messages = (1..=3).map(|n| rig.message(n)).collect::<Vec<_>>();
    let outcomes = messages.iter().map(|message| rig.deliver(message)).collect::<Vec<_>>();
    rig.input(Input::Disconnect(1));
    rig.settle_jobs();
    assert!(outcomes.iter().all(|outcome| outcome.outcome() == Some(Outcome::Stored)));
    assert!(rig.mailbox.is_idle());
    rig.connect(2);
    rig.settle_jobs();
    let frames = rig.received();
    assert!(matches!(frames[0], Outgoing::Hello { pending: 3 }));
    assert!(matches!(frames.last(), Some(Outgoing::Frame(_))), "{frames:?}");
    assert_eq!(frames.len(), 5);
}

#[test]
fn a_long_backlog_is_drained_in_windows_without_gap_or_double() {
    let mut rig = Rig::new();
    for n in 1..=200 {
        let message = rig.message(n);
        let _outcome = rig.deliver(&message);
    }
    rig.settle_jobs();
    rig.connect(1);
    rig.settle_jobs();
    let mut seen = rig.messages();
    assert_eq!(seen.len(), WINDOW, "no more than a window before the first acknowledgement");
    let mut acknowledged = 0;
    while acknowledged < seen.len() {
        let id = seen[acknowledged];
        acknowledged += 1;
        let message = rig.message(u8::try_from(id).unwrap());
        rig.received_says(&message);
        rig.settle_jobs();
        seen.extend(rig.messages());
        assert!(seen.len() - acknowledged <= WINDOW);
    }
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
    assert!(rig.rows.is_empty());
}

#[test]
fn a_full_window_goes_to_the_store() {
    let mut rig = Rig::online();
    let mut outcomes = Vec::new();
    for n in 1..=u8::try_from(WINDOW).unwrap() + 1 {
        let message = rig.message(n);
        outcomes.push(rig.deliver(&message));
    }
    rig.settle_jobs();
    assert!(outcomes.iter().all(|outcome| outcome.outcome() == Some(Outcome::Stored)));
    assert_eq!(rig.messages().len(), WINDOW);
}

#[test]
fn a_copy_of_a_message_in_the_window_is_not_sent_twice() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let (first, second) = (rig.deliver(&message), rig.deliver(&message));
    assert_eq!(rig.messages(), [1]);
    rig.received_says(&message);
    assert_eq!((first.outcome(), second.outcome()), (Some(Outcome::Received), Some(Outcome::Received)));
}

#[test]
fn a_failed_write_is_told_as_such_and_what_is_stored_is_counted_again() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.settle_jobs();
    let message = rig.message(1);
    let outcome = rig.deliver(&message);
    rig.now += WAIT;
    rig.mailbox.expire(rig.now);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Write(_))));
    rig.mailbox.done(Done::Failed);
    assert_eq!(outcome.outcome(), Some(Outcome::Failed));
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Count)), "whether the row is there is unknown");
}

#[test]
fn a_refused_message_of_the_window_is_told_durably() {
    let mut rig = Rig::online();
    let message = rig.message(1);
    let outcome = rig.deliver(&message);
    let which = MessageSelector::Triple(message.sender.clone(), DeviceId::FIRST, message.id);
    let code = Some(Code::Undecryptable);
    rig.input(Input::Settle { which, state: State::Undeliverable, code, done: None });
    assert!(outcome.outcome().is_none());
    let notices = rig.settle_jobs();
    assert_eq!(outcome.outcome(), Some(Outcome::Settled));
    assert_eq!(notices[0].status.state, State::Undeliverable);
    assert_eq!(notices[0].device.account, rig.alice);
}

#[test]
fn a_newer_connection_of_the_device_wins() {
    let mut rig = Rig::online();
    let newer = homeserver::hub::Frames::default();
    rig.input(Input::Connect(Link { id: 2, session: Uuid::nil(), frames: newer.clone() }));
    assert!(matches!(rig.received()[..], [Outgoing::Close(4409, _)]));
    rig.settle_jobs();
    let mut frames = std::collections::VecDeque::new();
    newer.take(&mut frames);
    assert!(matches!(frames.front(), Some(Outgoing::Hello { .. })));
    rig.input(Input::Disconnect(1));
    let message = rig.message(1);
    let _outcome = rig.deliver(&message);
    assert!(rig.mailbox.next_job().is_none(), "the older connection's end does not end the newer");
}

#[test]
fn a_shutdown_stores_what_waits() {
    let mut rig = Rig::online();
    let (first, second) = (rig.message(1), rig.message(2));
    let outcome = rig.deliver(&first);
    rig.input(Input::Shutdown);
    let late = rig.deliver(&second);
    rig.settle_jobs();
    assert_eq!((outcome.outcome(), late.outcome()), (Some(Outcome::Stored), Some(Outcome::Stored)));
}

#[test]
fn what_another_process_settles_is_not_waited_for() {
    let mut rig = Rig::new();
    for n in 1..=40 {
        let message = rig.message(n);
        let _outcome = rig.deliver(&message);
    }
    rig.connect(1);
    rig.settle_jobs();
    assert_eq!(rig.messages().len(), 40);
    rig.rows.clear();
    rig.input(Input::LookAgain);
    rig.settle_jobs();
    let message = rig.message(41);
    let outcome = rig.deliver(&message);
    assert!(rig.mailbox.next_job().is_none(), "nothing is stored: the device is online");
    rig.received_says(&message);
    assert_eq!(outcome.outcome(), Some(Outcome::Received));
}

#[test]
fn a_count_that_fails_is_asked_again() {
    let mut rig = Rig::new();
    rig.connect(1);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Count)));
    rig.mailbox.done(Done::Failed);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Count)));
}

#[test]
fn nothing_of_the_same_socket_overtakes_a_message_that_failed() {
    let mut rig = Rig::new();
    let (first, second) = (rig.message(1), rig.message(2));
    let outcome = rig.deliver(&first);
    assert!(matches!(rig.mailbox.next_job(), Some(Job::Write(_))));
    rig.mailbox.done(Done::Failed);
    assert_eq!(outcome.outcome(), Some(Outcome::Failed));
    let late = rig.deliver(&second);
    assert_eq!(late.outcome(), Some(Outcome::AfterFailed), "it was on its way when the first one failed");

    rig.turns.come(first.id);
    let (again, behind) = (rig.deliver(&first), rig.deliver(&second));
    rig.settle_jobs();
    assert_eq!((again.outcome(), behind.outcome()), (Some(Outcome::Stored), Some(Outcome::Stored)));

    let other_socket = std::mem::take(&mut rig.turns);
    other_socket.fail(Some(Towards::Account(Uuid::nil())), first.id);
    let third = rig.message(3);
    let free = rig.deliver(&third);
    rig.settle_jobs();
    assert_eq!(free.outcome(), Some(Outcome::Stored), "another socket's failures hold nothing up");
}
