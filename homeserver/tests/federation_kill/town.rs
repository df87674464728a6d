//! The people of both homeservers, who writes to whom, and what came of it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};

use super::{
    client::{Client, Counts, upper_half},
    ledger::Ledger,
    process::{Homeserver, Pair, Person},
};

/// People of each homeserver.
const PEOPLE: usize = 3;

/// The people of both homeservers.
pub struct Town {
    /// First those of the one, then those of the other.
    people: Vec<Person>,
    correspondences: Vec<Correspondence>,
    counts: Arc<Counts>,
    clients: JoinSet<()>,
}

/// Somebody writes to somebody.
struct Correspondence {
    from: usize,
    to: usize,
    ledger: Arc<Ledger>,
}

impl Correspondence {
    fn is_from(&self, side: usize) -> bool {
        self.from / PEOPLE == side
    }

    fn is_between_homeservers(&self) -> bool {
        self.from / PEOPLE != self.to / PEOPLE
    }
}

impl Town {
    /// Everybody writes to two people elsewhere, and to one on the same homeserver.
    pub async fn found(pair: &Pair) -> Self {
        let (mut people, mut correspondences) = (Vec::new(), Vec::new());
        for from in 0..2 * PEOPLE {
            people.push(Person::register(home(pair, from), &format!("person{from}")).await);
            let (side, place) = (from / PEOPLE, from % PEOPLE);
            let [own, other] = [side, 1 - side].map(|side| side * PEOPLE);
            for to in [other + place, other + (place + 1) % PEOPLE, own + (place + 1) % PEOPLE] {
                let ledger = Arc::new(Ledger::new(correspondences.len()));
                correspondences.push(Correspondence { from, to, ledger });
            }
        }
        Self { people, correspondences, counts: Arc::default(), clients: JoinSet::new() }
    }

    /// Kills all clients that are there, and starts one for each person. Both homeservers are up.
    pub async fn awake(&mut self, pair: &Pair, rng: &mut StdRng) {
        self.start_clients(pair, rng, 3_000).await;
    }

    /// Lets everything that was ever written arrive.
    pub async fn come_to_rest(&mut self, pair: &Pair, rng: &mut StdRng, patience: Duration) {
        for one in &self.correspondences {
            one.ledger.close();
        }
        self.start_clients(pair, rng, u32::MAX).await;
        let settled = timeout(patience, async {
            while self.correspondences.iter().any(|one| one.ledger.unacknowledged() > 0) {
                self.fail_if_anyone_failed();
                sleep(Duration::from_millis(50)).await;
            }
            // The last acknowledgements of statuses are on their way.
            sleep(Duration::from_millis(500)).await;
        });
        assert!(settled.await.is_ok(), "not everything arrived:\n{}", self.report());
        self.stop_clients().await;
    }

    /// How many messages have arrived in each direction between the homeservers.
    pub fn arrived(&self) -> [usize; 2] {
        [0, 1]
            .map(|side| self.between_homeservers().filter(|one| one.is_from(side)).map(|one| one.ledger.shown()).sum())
    }

    /// Messages between the homeservers that have no final word yet.
    pub fn under_way(&self) -> usize {
        self.between_homeservers().map(|one| one.ledger.unacknowledged()).sum()
    }

    /// What a client found wrong fails the test.
    pub fn fail_if_anyone_failed(&mut self) {
        if let Some(ended) = self.clients.try_join_next() {
            panic_with(ended);
        }
    }

    /// Everything that was ever written arrived once, in order; the figures.
    pub fn check(&self) -> String {
        let total = self.correspondences.iter().map(|one| one.ledger.check()).sum::<usize>();
        let between = self.arrived().into_iter().sum::<usize>();
        let Counts { connections, copies, put_off } = &*self.counts;
        let [connections, copies, put_off] = [connections, copies, put_off].map(|count| count.load(Ordering::Relaxed));
        format!(
            "{total} messages, {between} between homeservers, {copies} copies more, {put_off} put off, {connections} connections"
        )
    }

    /// What is missing.
    pub fn report(&self) -> String {
        let all = self.correspondences.iter().filter(|one| one.ledger.unacknowledged() > 0);
        let line = |one: &Correspondence| format!("person{} to person{}: {}\n", one.from, one.to, one.ledger.report());
        all.map(line).collect()
    }

    fn between_homeservers(&self) -> impl Iterator<Item = &Correspondence> {
        self.correspondences.iter().filter(|one| one.is_between_homeservers())
    }

    async fn start_clients(&mut self, pair: &Pair, rng: &mut StdRng, frames: u32) {
        self.stop_clients().await;
        for number in 0..self.people.len() {
            self.people[number].renew(home(pair, number)).await;
            let client = self.client(number);
            self.clients.spawn(client.live(StdRng::seed_from_u64(rng.random()), frames));
        }
    }

    fn client(&self, number: usize) -> Client {
        let person = &self.people[number];
        let outgoing = self.correspondences.iter().filter(|one| one.from == number);
        let incoming = self.correspondences.iter().filter(|one| one.to == number);
        Client {
            way: person.way.clone(),
            token: person.token.clone(),
            outgoing: outgoing.map(|one| (self.people[one.to].address(), one.ledger.clone())).collect(),
            incoming: incoming.map(|one| (upper_half(one.ledger.id(0)), one.ledger.clone())).collect(),
            counts: self.counts.clone(),
        }
    }

    async fn stop_clients(&mut self) {
        self.clients.abort_all();
        while let Some(ended) = self.clients.join_next().await {
            panic_with(ended);
        }
    }
}

fn panic_with(ended: Result<(), JoinError>) {
    if let Err(Ok(found)) = ended.map_err(JoinError::try_into_panic) {
        std::panic::resume_unwind(found);
    }
}

fn home(pair: &Pair, person: usize) -> &Homeserver {
    if person < PEOPLE { &pair.one } else { &pair.two }
}
