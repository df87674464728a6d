//! Someone's client: writes to some and takes from others as long as it lives, over connections that break at any time,
//! its own doing included.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};
use uuid::Uuid;

use super::{
    ledger::{Known, Ledger},
    process::Way,
};

/// Messages in flight that have no state yet.
const IN_FLIGHT: usize = 16;

/// Messages to one person that have no final word yet.
const UNDER_WAY: usize = 48;

/// How long a client that may write nothing waits for a frame before it looks again whether it may.
const PAUSE: Duration = Duration::from_millis(50);

/// What happened to all clients.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicUsize,
    /// Copies of messages that were there.
    pub copies: AtomicUsize,
    /// Messages that were to come again later.
    pub put_off: AtomicUsize,
}

/// A client.
#[derive(Clone)]
pub struct Client {
    pub way: Way,
    pub token: String,
    /// To whom it writes.
    pub outgoing: Vec<(String, Arc<Ledger>)>,
    /// From whom it takes, by the upper half of the ids.
    pub incoming: HashMap<u64, Arc<Ledger>>,
    pub counts: Arc<Counts>,
}

/// A connection, and what was sent on it and has no state yet.
struct Line<'a> {
    client: &'a Client,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    again: VecDeque<(usize, u64)>,
    in_flight: HashSet<Uuid>,
}

impl Client {
    /// Lives on and on. `frames`: after how many at most it breaks a connection.
    pub async fn live(self, mut rng: StdRng, frames: u32) {
        loop {
            if let Ok(socket) = self.way.connect(&self.token).await {
                self.counts.connections.fetch_add(1, Ordering::Relaxed);
                let mut line = Line { client: &self, socket, again: self.unknown(), in_flight: HashSet::new() };
                line.live(rng.random_range(frames / 20..=frames)).await;
            }
            sleep(Duration::from_millis(rng.random_range(10..300))).await;
        }
    }

    /// What must be sent again, in order.
    fn unknown(&self) -> VecDeque<(usize, u64)> {
        let all = self.outgoing.iter().enumerate();
        all.flat_map(|(to, (_, ledger))| ledger.unknown().into_iter().map(move |n| (to, n))).collect()
    }
}

impl Line<'_> {
    /// Until the line breaks, or so many frames have come.
    async fn live(&mut self, frames: u32) -> Option<()> {
        for _ in 0..frames {
            self.write().await?;
            if let Ok(frame) = timeout(PAUSE, self.hear()).await {
                self.take(&frame?).await?;
            }
        }
        None
    }

    async fn write(&mut self) -> Option<()> {
        while self.in_flight.len() < IN_FLIGHT {
            let Some((to, n)) = self.again.pop_front().or_else(|| self.new_message()) else { break };
            let (receiver, ledger) = &self.client.outgoing[to];
            let id = ledger.id(n);
            self.in_flight.insert(id);
            self.say(json!({"id": id, "receiver": receiver, "content": "aGk="})).await?;
        }
        Some(())
    }

    /// To whoever waits for the fewest.
    fn new_message(&self) -> Option<(usize, u64)> {
        let all = self.client.outgoing.iter().enumerate();
        let (waiting, to) = all.map(|(to, (_, ledger))| (ledger.unacknowledged(), to)).min()?;
        if waiting >= UNDER_WAY { None } else { self.client.outgoing[to].1.write().map(|n| (to, n)) }
    }

    /// `None` also where everything must be sent again.
    async fn take(&mut self, frame: &Value) -> Option<()> {
        if frame.get("error").is_some() {
            assert!(frame["retryAfter"].is_u64(), "{frame}");
            self.client.counts.put_off.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if frame.get("content").is_some() {
            return self.take_message(frame).await;
        }
        let Some(state) = frame.get("state") else { return Some(()) };
        let known = match state.as_str().unwrap() {
            "sent" => Known::Sent,
            "received" => Known::Received,
            other => panic!("{other}: {frame}"),
        };
        let many = frame.get("messageIds").and_then(Value::as_array).cloned();
        let ids = many.unwrap_or_else(|| vec![frame["messageId"].clone()]);
        for id in &ids {
            let id = Uuid::parse_str(id.as_str().unwrap()).unwrap();
            self.in_flight.remove(&id);
            let (receiver, ledger) = &self.client.outgoing[self.to_whom(id)];
            assert_eq!(frame["sender"], *receiver);
            ledger.told(ledger.number(&id.to_string()), known);
        }
        match known {
            Known::Received => self.say(json!({"statusAck": {"messageIds": ids, "state": "received"}})).await,
            _ => Some(()),
        }
    }

    async fn take_message(&mut self, frame: &Value) -> Option<()> {
        let id = frame["id"].as_str().unwrap();
        let ledger = &self.client.incoming[&upper_half(Uuid::parse_str(id).unwrap())];
        let before = ledger.shown();
        ledger.store(ledger.number(id));
        self.client.counts.copies.fetch_add(usize::from(ledger.shown() == before), Ordering::Relaxed);
        let (sender, device) = (&frame["sender"], &frame["senderDevice"]);
        self.say(json!({"messageId": id, "state": "received", "receiver": sender, "senderDevice": device})).await
    }

    fn to_whom(&self, id: Uuid) -> usize {
        let same = |(_, ledger): &(String, Arc<Ledger>)| upper_half(ledger.id(0)) == upper_half(id);
        self.client.outgoing.iter().position(same).expect("a message of this client")
    }

    async fn say(&mut self, frame: Value) -> Option<()> {
        self.socket.send(Message::text(frame.to_string())).await.ok()
    }

    async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// Which ledger an id belongs to.
pub fn upper_half(id: Uuid) -> u64 {
    id.as_u64_pair().0
}
