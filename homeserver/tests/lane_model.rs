//! A lane's state machine against a reference model: whatever the order of messages, writes (failed, full, of unknown
//! outcome), transactions (answered, lost on the way there or back, refused, deferred), expiry, wakes, stops and crashes,
//! nothing told `sent` is lost, each pair's messages arrive in order, everyone is told once and the truth, and in the end
//! the lane comes to rest.
//!
//! The same model must find faults when they are planted (the last tests): a model that finds nothing proves nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "lane_model/peer.rs"]
mod peer;
#[path = "lane_model/rig.rs"]
mod rig;
#[path = "lane_model/sender.rs"]
mod sender;
#[path = "lane_model/store.rs"]
mod store;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use rig::{Answer, Fault, Rig, Step};
use store::Write;

/// Schedules in which a planted fault must be found; it is found in the first few hundred.
const PLANTED: u32 = 20_000;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0_usize..3).prop_map(Step::Send),
        1 => (0_usize..3, 1_usize..150).prop_map(|(pair, count)| Step::SendMany(pair, count)),
        20 => Just(Step::Drive),
        10 => Just(Step::Write(Write::Done)),
        1 => Just(Step::Write(Write::Failed)),
        1 => Just(Step::Write(Write::Unknown)),
        1 => (0_usize..6).prop_map(|from| Step::Write(Write::Full(from))),
        14 => any::<u64>().prop_map(|luck| Step::GoOn(Answer::Taken(luck))),
        8 => any::<u64>().prop_map(|luck| Step::GoOn(Answer::Mixed(luck))),
        2 => Just(Step::GoOn(Answer::Unheard)),
        2 => any::<u64>().prop_map(|luck| Step::GoOn(Answer::Lost(luck))),
        1 => Just(Step::GoOn(Answer::Whole)),
        1 => Just(Step::GiveUp),
        4 => (1_u64..1_000).prop_map(Step::Pass),
        2 => (1_u64..400_000).prop_map(Step::Pass),
        1 => (1_usize..8).prop_map(Step::Expire),
        1 => any::<bool>().prop_map(Step::LookAgain),
        2 => Just(Step::TryNow),
        3 => Just(Step::Tick),
        1 => Just(Step::Abandon),
        3 => Just(Step::Resend),
        1 => (0_usize..3).prop_map(Step::Reconnect),
        1 => Just(Step::Stop),
        1 => Just(Step::Crash),
    ]
}

/// Runs random schedules. Planted faults are looked for in the same schedules each time, so that finding them is no luck.
fn check(fault: Option<Fault>, cases: u32) -> Result<(), String> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
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
fn the_lane_keeps_its_promises() {
    if let Err(error) = check(None, cases()) {
        panic!("{error}");
    }
}

#[test]
fn a_write_that_stores_nothing_is_found() {
    let found = check(Some(Fault::WritesNothing), PLANTED).unwrap_err();
    assert!(found.contains("lost"), "{found}");
}

#[test]
fn a_write_out_of_order_is_found() {
    let found = check(Some(Fault::WritesInReverse), PLANTED).unwrap_err();
    assert!(found.contains("order"), "{found}");
}

#[test]
fn a_deferred_message_that_is_deleted_is_found() {
    let found = check(Some(Fault::SettlesDeferred), PLANTED).unwrap_err();
    assert!(found.contains("lost"), "{found}");
}

#[test]
fn an_answer_that_nobody_gave_is_found() {
    let found = check(Some(Fault::BelievesSilence), PLANTED).unwrap_err();
    assert!(["lost", "told"].iter().any(|one| found.contains(one)), "{found}");
}
