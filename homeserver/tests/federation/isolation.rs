//! Homeservers that are dead, silent or slow cost others nothing.

use std::time::{Duration, Instant};

use homeserver::{clock::Clock, peers::discovery::Asker, service::peers};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    faulty::{SOON, Watched},
    proxy::{Mode, Proxy},
};
use crate::common::{Database, Home, Socket, say};

/// Round trips that are measured.
const ROUNDS: usize = 200;

/// Homeservers that are in a bad way, and what is wrong with them.
const BAD: [(&str, Mode); 3] =
    [("dead.example", Mode::Refuse), ("silent.example", Mode::BlackHole), ("slow.example", Mode::Trickle)];

/// `one.example`, a homeserver in good health, and three behind proxies.
struct Net {
    one: Home,
    two: Home,
    bad: Vec<(Home, Proxy, Mode)>,
    _ways: [(&'static str, Proxy); 2],
}

/// What half, and nearly all, round trips took at most.
#[derive(Debug, Clone, Copy)]
struct Measured {
    p50: Duration,
    p99: Duration,
}

impl Measured {
    /// Whether it is no worse than three times the other, and a little.
    fn is_about(self, alone: Self) -> bool {
        let bound = |alone: Duration| alone * 3 + Duration::from_millis(20);
        self.p50 < bound(alone.p50) && self.p99 < bound(alone.p99)
    }
}

impl Net {
    async fn start(postgres: bool) -> Option<Self> {
        let clock = Clock::turned(Clock::default().now());
        let mut resolve = String::from("federation.resolve=");
        let mut bad = Vec::new();
        for (name, mode) in BAD {
            let dir = tempfile::tempdir().unwrap();
            let (database, proxy) = (Database::sqlite(dir.path()), Proxy::start().await);
            let settings = ["federation.enabled=true"];
            let home = Home::start_as(name, "127.0.0.1:0", clock.clone(), database, dir, &settings).await;
            proxy.lead_to(&home);
            resolve.extend([name, "=", proxy.url.as_str(), ","]);
            bad.push((home, proxy, mode));
        }
        let ways = [("one.example", Proxy::start().await), ("two.example", Proxy::start().await)];
        resolve += &ways.each_ref().map(|(name, proxy)| format!("{name}={}", proxy.url)).join(",");
        let mut good = Vec::new();
        for (name, proxy) in &ways {
            let dir = tempfile::tempdir().unwrap();
            let database = if postgres { Database::postgres().await? } else { Database::sqlite(dir.path()) };
            let settings = ["federation.enabled=true", &resolve];
            let home = Home::start_as(name, "127.0.0.1:0", clock.clone(), database, dir, &settings).await;
            proxy.lead_to(&home);
            good.push(home);
        }
        let (two, one) = (good.pop()?, good.pop()?);
        for name in BAD.map(|(name, _)| name).iter().chain(&["two.example"]) {
            peers::find(&one.app, &name.parse().unwrap(), Asker::Own).await.unwrap();
        }
        Some(Self { one, two, bad, _ways: ways })
    }

    /// Writes to all of the bad ones, without a pause, until told to stop; returns how many messages were told safe.
    async fn burden(&self) -> (oneshot::Sender<()>, JoinHandle<usize>) {
        let mallory = self.one.register("mallory").await;
        let mut m = Watched::new(Socket::open(&self.one, &mallory).await);
        let (stop, mut stopped) = oneshot::channel();
        let clock = self.one.clock.clone();
        let task = tokio::spawn(async move {
            let mut count = 0;
            while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                for (name, _) in BAD {
                    let id = m.say_soon(&format!("nobody@{name}")).await;
                    assert!(m.is_told(id, "sent"), "{:?}", m.told.get(&id));
                    count += 1;
                }
                clock.advance(20);
            }
            count
        });
        (stop, task)
    }
}

/// Messages there, one after the other, each acknowledged, until its sender knows.
async fn measure(from: &mut Watched, to: &mut Watched, receiver: &str) -> Measured {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let id = say(&mut from.socket, receiver, "aGk=").await;
        to.take_until(|to| to.shown.contains(&id)).await;
        from.take_until(|from| from.is_told(id, "received")).await;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    Measured { p50: took[ROUNDS / 2], p99: took[ROUNDS * 99 / 100] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_homeservers_cost_others_nothing() {
    for postgres in [false, true] {
        let Some(net) = Net::start(postgres).await else { continue };
        let (alice, dave) = (net.one.register("alice").await, net.one.register("dave").await);
        let bob = net.two.register("bob").await;
        let mut a = Watched::new(Socket::open(&net.one, &alice).await);
        let mut d = Watched::new(Socket::open(&net.one, &dave).await);
        let mut b = Watched::new(Socket::open(&net.two, &bob).await);
        measure(&mut a, &mut b, "bob@two.example").await;
        let alone = (measure(&mut a, &mut d, "dave").await, measure(&mut a, &mut b, "bob@two.example").await);
        for (_, proxy, mode) in &net.bad {
            proxy.set(mode.clone());
        }
        let (stop, burden) = net.burden().await;
        tokio::time::sleep(SOON).await;
        // Whatever else the machine does now and then is not measured.
        let mut is_as_fast = false;
        for _ in 0..3 {
            let beside = (measure(&mut a, &mut d, "dave").await, measure(&mut a, &mut b, "bob@two.example").await);
            eprintln!("alone {alone:?}, beside messages to bad homeservers {beside:?}");
            is_as_fast = beside.0.is_about(alone.0) && beside.1.is_about(alone.1);
            if is_as_fast {
                break;
            }
        }
        stop.send(()).unwrap();
        assert!(burden.await.unwrap() > 10);
        assert!(is_as_fast, "three times");
        for (home, ..) in &net.bad {
            let row = peers::details(&net.one.app, &home.app.server_name).await.unwrap().peer;
            assert!(row.waiting > 0, "{row:?}");
        }
    }
}
