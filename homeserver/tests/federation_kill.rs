//! SIGKILL of either of two homeservers that federate, or of both, in mid-traffic: a seeded driver of two real processes and of people
//! on both sides, who write to each other all the while and come and go. Nothing is lost, nothing is shown twice, order
//! is kept, statuses are true, nothing stays behind; and a kill that missed the traffic fails the test.
//!
//! `MISSIVE_TEST_FEDERATION_KILL_ROUNDS` sets how many kills each variant gets (10 if unset; 60 is the long form),
//! `MISSIVE_TEST_FEDERATION_KILL_SEED` the seed.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "federation_kill/client.rs"]
mod client;
#[path = "kill/ledger.rs"]
mod ledger;
mod process;
#[path = "federation_kill/town.rs"]
mod town;

use std::{collections::BTreeMap, time::Duration};

use process::{Kind, Pair, Transport};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep};
use town::Town;

on_both_databases!(nothing_is_lost_over_http, nothing_is_lost_over_https);

/// Kills between two moments at which every client is killed, too.
const ACT: u64 = 20;

/// Messages without a final word at each kill, at least.
const UNACKNOWLEDGED: usize = 16;

/// How long traffic may take to flow again after a kill.
const PATIENCE: Duration = Duration::from_mins(1);

/// Who is killed in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Struck {
    One,
    Two,
    OneThenTwo,
    TwoThenOne,
}

async fn nothing_is_lost_over_http(kind: Kind) {
    nothing_is_lost(kind, Transport::Http).await;
}

async fn nothing_is_lost_over_https(kind: Kind) {
    nothing_is_lost(kind, Transport::Https).await;
}

async fn nothing_is_lost(kind: Kind, transport: Transport) {
    let settings = ["limits.pending_messages=100000000", "log.level=warn,homeserver=info"];
    let Some(mut pair) = Pair::start(kind, transport, &settings).await else { return };
    let seed = number("MISSIVE_TEST_FEDERATION_KILL_SEED", 20_261_128);
    let rounds = number("MISSIVE_TEST_FEDERATION_KILL_ROUNDS", 10);
    println!("seed {seed}, {rounds} rounds on {kind:?} over {transport:?}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut strikes = StdRng::seed_from_u64(rng.random());
    let mut town = Town::found(&pair).await;
    let (mut kills, mut longest) = (BTreeMap::<_, u32>::new(), Duration::ZERO);
    for round in 0..rounds {
        if round % ACT == 0 {
            town.awake(&pair, &mut rng).await;
        }
        longest = longest.max(wait_for_traffic(&mut town, round, &mut rng).await);
        let struck = Struck::ALL[strikes.random_range(0..Struck::ALL.len())];
        *kills.entry(struck).or_default() += 1;
        struck.strike(&mut pair, &mut strikes).await;
    }
    town.come_to_rest(&pair, &mut rng, Duration::from_secs(120 + rounds)).await;
    for server in [&pair.one, &pair.two] {
        for table in ["federation_outbox", "pending_messages", "message_statuses"] {
            server.database.wait_for_rows(table, 0).await;
        }
    }
    let figures = town.check();
    println!("{kind:?} over {transport:?}: {kills:?} kills; {figures}; traffic flowed again within {longest:?}");
}

/// Waits until messages arrive in each direction and enough are under way, then a random moment more; how long it took.
async fn wait_for_traffic(town: &mut Town, round: u64, rng: &mut StdRng) -> Duration {
    let started = Instant::now();
    loop {
        let before = town.arrived();
        sleep(Duration::from_millis(rng.random_range(20..=500))).await;
        town.fail_if_anyone_failed();
        let arrived = town.arrived();
        let under_way = town.under_way();
        if arrived.iter().zip(before).all(|(now, before)| *now > before) && under_way >= UNACKNOWLEDGED {
            return started.elapsed();
        }
        let what = format!("round {round}: {before:?}, then {arrived:?} arrived, {under_way} under way");
        assert!(started.elapsed() < PATIENCE, "{what}: no traffic to kill\n{}", town.report());
    }
}

impl Struck {
    /// Both now and then.
    const ALL: [Self; 8] =
        [Self::One, Self::Two, Self::One, Self::Two, Self::One, Self::Two, Self::OneThenTwo, Self::TwoThenOne];

    /// Kills, and starts again a random moment later: of both, first the one that was killed first.
    async fn strike(self, pair: &mut Pair, rng: &mut StdRng) {
        let victims = match self {
            Self::One => vec![&mut pair.one],
            Self::Two => vec![&mut pair.two],
            Self::OneThenTwo => vec![&mut pair.one, &mut pair.two],
            Self::TwoThenOne => vec![&mut pair.two, &mut pair.one],
        };
        let mut killed = Vec::new();
        for victim in victims {
            victim.kill();
            killed.push(victim);
            sleep(Duration::from_millis(rng.random_range(0..1_000))).await;
        }
        for victim in killed {
            tokio::task::block_in_place(|| victim.restart());
            sleep(Duration::from_millis(rng.random_range(0..500))).await;
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}
