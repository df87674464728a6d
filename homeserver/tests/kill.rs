//! SIGKILL in mid-traffic: a seeded driver of a real homeserver process and of clients that die too. Nothing told `sent`
//! is lost, nothing is shown twice, order is kept, statuses are true; and a kill that missed the traffic fails the test.
//!
//! `MISSIVE_TEST_KILL_ROUNDS` sets how many kills a database gets (12 if unset; 200 is the long form), `MISSIVE_TEST_KILL_SEED` the
//! seed.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "kill/ledger.rs"]
mod ledger;
mod process;
#[path = "kill/traffic.rs"]
mod traffic;

use std::{sync::Arc, time::Duration};

use ledger::Ledger;
use process::{Homeserver, Kind, Person};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use traffic::{Habit, Phase};

on_both_databases!(nothing_told_sent_is_lost);

const PAIRS: usize = 4;

/// Messages without a final word at each kill, at least.
const UNACKNOWLEDGED: usize = 32;

async fn nothing_told_sent_is_lost(kind: Kind) {
    let Some(mut server) = Homeserver::start_with(
        kind,
        &["limits.enabled=false", "limits.pending_messages=100000000", "log.level=warn,homeserver=info"],
    )
    .await
    else {
        return;
    };
    let seed = number("MISSIVE_TEST_KILL_SEED", 20_261_123);
    let rounds = number("MISSIVE_TEST_KILL_ROUNDS", 12);
    println!("seed {seed}, {rounds} rounds on {kind:?}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pairs = Vec::new();
    for n in 0..PAIRS {
        let sender = Person::register(&server, &format!("sender{n}")).await;
        let receiver = Person::register(&server, &format!("receiver{n}")).await;
        pairs.push((sender, receiver, Arc::new(Ledger::new(n))));
    }
    for round in 0..rounds {
        let phase = Phase::ALL[usize::try_from(round).unwrap() % Phase::ALL.len()];
        let tasks = set_off(&pairs, phase, &mut rng);
        let moved = strike_when_busy(&pairs, phase, &mut rng).await;
        server.kill();
        let unacknowledged = pairs.iter().map(|pair| pair.2.unacknowledged()).sum::<usize>();
        assert!(unacknowledged >= UNACKNOWLEDGED, "round {round} ({phase:?}): only {unacknowledged} were under way");
        assert!(moved > 0, "round {round} ({phase:?}): the kill missed the traffic");
        stop(tasks).await;
        server.restart();
        for (sender, receiver, _) in &mut pairs {
            sender.renew(&server).await;
            receiver.renew(&server).await;
        }
    }
    settle(&pairs, Duration::from_secs(60 + 2 * rounds)).await;
    server.database.wait_for_rows("pending_messages", 0).await;
    server.database.wait_for_rows("message_statuses", 0).await;
    let total = pairs.iter().map(|pair| pair.2.check()).sum::<usize>();
    println!("{total} messages, {rounds} kills");
    assert!(total as u64 > rounds * 32);
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

type Pairs = [(Person, Person, Arc<Ledger>)];

/// Starts the traffic of one round.
fn set_off(pairs: &Pairs, phase: Phase, rng: &mut StdRng) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (sender, receiver, ledger) in pairs {
        tasks.spawn(traffic::send(sender.socket_request(), ledger.clone()));
        let (habit, seed) = (phase.habit(rng), rng.random());
        tasks.spawn(traffic::receive(receiver.socket_request(), ledger.clone(), habit, seed));
    }
    tasks
}

/// Waits until enough is under way and something moves, then a random moment more; how much moved in the last of it.
async fn strike_when_busy(pairs: &Pairs, phase: Phase, rng: &mut StdRng) -> u64 {
    let until = Instant::now() + Duration::from_secs(20);
    sleep(phase.lead_time()).await;
    loop {
        let before = pairs.iter().map(|pair| pair.2.events()).sum::<u64>();
        sleep(Duration::from_millis(rng.random_range(5..120))).await;
        let moved = pairs.iter().map(|pair| pair.2.events()).sum::<u64>() - before;
        let unacknowledged = pairs.iter().map(|pair| pair.2.unacknowledged()).sum::<usize>();
        if unacknowledged >= UNACKNOWLEDGED && moved > 0 {
            return moved;
        }
        assert!(Instant::now() < until, "{phase:?}: {unacknowledged} under way, {moved} moved: no traffic to kill");
    }
}

/// Lets everything that was ever written arrive.
async fn settle(pairs: &Pairs, patience: Duration) {
    let mut tasks = JoinSet::new();
    for (sender, receiver, ledger) in pairs {
        ledger.close();
        tasks.spawn(traffic::send(sender.socket_request(), ledger.clone()));
        tasks.spawn(traffic::receive(receiver.socket_request(), ledger.clone(), Habit::Prompt, 0));
    }
    let settled = timeout(patience, async {
        while pairs.iter().any(|pair| pair.2.unacknowledged() > 0) {
            sleep(Duration::from_millis(20)).await;
        }
        // The last acknowledgements of statuses are on their way.
        sleep(Duration::from_millis(500)).await;
    });
    let in_time = settled.await.is_ok();
    stop(tasks).await;
    for (_, _, ledger) in pairs {
        assert!(in_time, "not everything arrived: {}", ledger.report());
    }
}

/// Ends the clients. What one of them found wrong fails the test.
async fn stop(mut tasks: JoinSet<()>) {
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        if let Err(Ok(found)) = ended.map_err(JoinError::try_into_panic) {
            std::panic::resume_unwind(found);
        }
    }
}
