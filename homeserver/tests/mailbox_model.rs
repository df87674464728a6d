//! The hand-over's state machine against a reference model: whatever the order of messages, acknowledgements (late, lost,
//! repeated), connections, database answers (slow, failed, unknown) and crashes, nothing told `sent` is lost, nothing is
//! stored twice, order is kept, and what a sender is told is true.
//!
//! The same model must find faults when they are planted (the last tests): a model that finds nothing proves nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "mailbox_model/rig.rs"]
mod rig;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use rig::{Fault, Rig, Step};

/// Schedules in which a planted fault must be found; it is found in the first few hundred.
const PLANTED: u32 = 20_000;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Send),
        1 => (1_usize..40).prop_map(Step::SendMany),
        14 => Just(Step::StartJob),
        14 => Just(Step::FinishJob),
        1 => Just(Step::FailJob),
        1 => Just(Step::LoseCommitAnswer),
        12 => (0_usize..8).prop_map(Step::Acknowledge),
        2 => (0_usize..8).prop_map(Step::AcknowledgeTwice),
        1 => (0_usize..8).prop_map(Step::LoseAcknowledgement),
        4 => Just(Step::Wait),
        2 => Just(Step::Connect),
        1 => Just(Step::Disconnect),
        1 => Just(Step::Crash),
        1 => Just(Step::SenderReconnects),
        1 => Just(Step::LookAgain),
        3 => Just(Step::Resend),
    ]
}

/// Runs random schedules. Planted faults are looked for in the same schedules each time, so that finding them is no luck.
fn check(fault: Option<Fault>, cases: u32) -> Result<(), String> {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = match fault {
        None => TestRunner::new(config),
        Some(_) => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let result = runner.run(&proptest::collection::vec(step(), 1..200), |steps| {
        let mut rig = Rig::new(fault);
        for step in steps {
            rig.step(step).map_err(TestCaseError::fail)?;
        }
        rig.settle().map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, steps)) => Err(format!("{reason} after {steps:?}")),
        Err(other) => Err(other.to_string()),
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(1_000, |text| text.parse().unwrap())
}

#[test]
fn the_mailbox_keeps_its_promises() {
    if let Err(error) = check(None, cases()) {
        panic!("{error}");
    }
}

#[test]
fn a_spill_out_of_order_is_found() {
    let found = check(Some(Fault::SpillOutOfOrder), PLANTED).unwrap_err();
    assert!(found.contains("order"), "{found}");
}

#[test]
fn an_acknowledgement_overtaking_its_insert_is_found() {
    let found = check(Some(Fault::AcknowledgementFirst), PLANTED).unwrap_err();
    assert!(found.contains("left behind"), "{found}");
}

#[test]
fn sent_before_commit_is_found() {
    let found = check(Some(Fault::SentBeforeCommit), PLANTED).unwrap_err();
    assert!(found.contains("lost"), "{found}");
}

#[test]
fn going_online_with_a_queued_write_is_found() {
    let found = check(Some(Fault::OnlineWithQueuedWrite), PLANTED).unwrap_err();
    assert!(["order", "lost", "left behind"].iter().any(|one| found.contains(one)), "{found}");
}
