//! Two homeservers that federate, over HTTP on loopback.

use std::net::TcpListener;

use homeserver::{clock::Clock, peers::discovery::Asker, service::peers};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Database, Home, Person, Socket};

/// `one.example` and `two.example`, by the same clock, which stands still until it is turned.
pub(crate) struct Pair {
    pub(crate) one: Home,
    pub(crate) two: Home,
    pub(crate) clock: Clock,
}

impl Pair {
    /// A pair on SQLite, then one on PostgreSQL.
    pub(crate) async fn both() -> Vec<Self> {
        Self::both_with(&[]).await
    }

    /// As [`Pair::both`], with settings for both homeservers.
    pub(crate) async fn both_with(settings: &[&str]) -> Vec<Self> {
        let mut pairs = Vec::new();
        for postgres in [false, true] {
            pairs.extend(Self::start(postgres, settings).await);
        }
        pairs
    }

    async fn start(postgres: bool, settings: &[&str]) -> Option<Self> {
        let [one, two] = [(); 2].map(|()| free_port());
        let clock = Clock::turned(Clock::default().now());
        let resolve = [("one.example", one), ("two.example", two)]
            .map(|(name, port)| format!("{name}=http://127.0.0.1:{port}"))
            .join(",");
        let resolve = format!("federation.resolve={resolve}");
        let settings = [&["federation.enabled=true", resolve.as_str()], settings].concat();
        let mut homes = Vec::new();
        for (name, port) in [("one.example", one), ("two.example", two)] {
            let dir = tempfile::tempdir().unwrap();
            let database = if postgres { Database::postgres().await? } else { Database::sqlite(dir.path()) };
            let listen = format!("127.0.0.1:{port}");
            homes.push(Home::start_as(name, &listen, clock.clone(), database, dir, &settings).await);
        }
        let two = homes.pop()?;
        Some(Self { one: homes.pop()?, two, clock })
    }

    /// Alice of the one and Bob of the other. Their homeservers know each other.
    pub(crate) async fn people(&self) -> (Person, Person) {
        let (alice, bob) = (self.one.register("alice").await, self.two.register("bob").await);
        self.meet().await;
        (alice, bob)
    }

    /// Lets each homeserver find the other, as claiming keys does.
    pub(crate) async fn meet(&self) {
        for (home, other) in [(&self.one, &self.two), (&self.two, &self.one)] {
            let other = other.server_name.parse().unwrap();
            Box::pin(peers::find(&home.app, &other, Asker::Own)).await.unwrap();
        }
    }
}

/// A message to that address; its id.
pub(crate) async fn say(socket: &mut Socket, receiver: &str, content: &str) -> Uuid {
    let id = Uuid::now_v7();
    let frame: Value = json!({ "id": id, "receiver": receiver, "kind": "message", "content": content });
    socket.send(&frame).await;
    id
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
