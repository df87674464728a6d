//! Clients that send and receive as fast as they may, each with its habits, until the server dies or they do.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, http::Request},
};

use super::ledger::{Known, Ledger};
use super::process::SERVER_NAME;

/// Messages in flight that have no state yet.
const IN_FLIGHT: usize = 64;

/// What a round's kill is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Both online: messages are in memory only.
    Relay,
    /// Receivers that do not acknowledge in time: windows are being stored.
    Spill,
    /// Nobody there to receive: everything is being committed.
    Commit,
    /// Receivers that come back to a backlog.
    Drain,
    /// Receivers whose acknowledgements are late and in bursts.
    Acknowledgement,
    /// Receivers that are killed themselves, again and again.
    Clients,
}

/// How a receiver behaves.
#[derive(Debug, Clone, Copy)]
pub enum Habit {
    /// Acknowledges each message as soon as it is stored.
    Prompt,
    /// Stores, and acknowledges so much later.
    Late(Duration),
    /// Stores, and never acknowledges.
    Silent,
    /// Comes so much later.
    Absent(Duration),
    /// Dies after so many messages at most, with some of them not yet stored, and comes back.
    Mortal(u32),
}

impl Phase {
    pub const ALL: [Self; 6] =
        [Self::Relay, Self::Spill, Self::Commit, Self::Drain, Self::Acknowledgement, Self::Clients];

    pub fn habit(self, rng: &mut StdRng) -> Habit {
        match self {
            Self::Relay => Habit::Prompt,
            Self::Spill => Habit::Silent,
            Self::Commit => Habit::Absent(Duration::from_mins(1)),
            Self::Drain => Habit::Absent(Duration::from_millis(rng.random_range(100..300))),
            Self::Acknowledgement => Habit::Late(Duration::from_millis(rng.random_range(100..500))),
            Self::Clients => Habit::Mortal(rng.random_range(5..80)),
        }
    }

    /// What the phase needs before it is itself.
    pub fn lead_time(self) -> Duration {
        match self {
            Self::Relay | Self::Commit => Duration::from_millis(20),
            Self::Spill | Self::Drain | Self::Acknowledgement | Self::Clients => Duration::from_millis(310),
        }
    }
}

/// A connection that may break at any time.
struct Line(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Line {
    async fn open(request: Request<()>) -> Option<Self> {
        connect_async(request).await.ok().map(|(socket, _)| Self(socket))
    }

    async fn say(&mut self, frame: Value) -> Option<()> {
        self.0.send(Message::text(frame.to_string())).await.ok()
    }

    async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// Sends what is not known to be anywhere, in order, then new messages, until the line breaks.
pub async fn send(request: Request<()>, ledger: Arc<Ledger>) {
    let Some(mut line) = Line::open(request).await else { return };
    let mut again = VecDeque::from(ledger.unknown());
    let mut in_flight = 0;
    loop {
        while in_flight < IN_FLIGHT {
            let Some(n) = again.pop_front().or_else(|| ledger.write()) else { break };
            let receiver = format!("receiver{}", ledger.id(0).as_u128().wrapping_shr(64) - 1);
            let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, n.to_string());
            let frame = json!({"id": ledger.id(n), "receiver": receiver, "content": content});
            if line.say(frame).await.is_none() {
                return;
            }
            in_flight += 1;
        }
        let Some(frame) = line.hear().await else { return };
        assert!(frame.get("error").is_none(), "{frame}");
        let Some(state) = frame.get("state") else { continue };
        let known = match state.as_str().unwrap() {
            "sent" => Known::Sent,
            "received" => Known::Received,
            other => panic!("{other}"),
        };
        let many = frame.get("messageIds").and_then(Value::as_array).cloned();
        let ids = many.unwrap_or_else(|| vec![frame["messageId"].clone()]);
        for id in &ids {
            let n = ledger.number(id.as_str().unwrap());
            // The first word of a message ends its flight.
            in_flight -= usize::from(ledger.unknown().binary_search(&n).is_ok()).min(in_flight);
            ledger.told(n, known);
        }
        if known == Known::Received
            && line.say(json!({"statusAck": {"messageIds": ids, "state": "received"}})).await.is_none()
        {
            return;
        }
    }
}

/// Receives with that habit until the line breaks.
pub async fn receive(request: Request<()>, ledger: Arc<Ledger>, habit: Habit, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    if let Habit::Absent(time) = habit {
        sleep(time).await;
    }
    loop {
        let Some(mut line) = Line::open(request.clone()).await else { return };
        match habit {
            Habit::Mortal(most) => live_shortly(&mut line, &ledger, rng.random_range(1..=most)).await,
            _ => return live(&mut line, &ledger, habit).await,
        }
    }
}

async fn live(line: &mut Line, ledger: &Ledger, habit: Habit) {
    let delay = match habit {
        Habit::Late(delay) => delay,
        _ => Duration::ZERO,
    };
    let mut owed: VecDeque<(Instant, Value)> = VecDeque::new();
    loop {
        let due = owed.front().map(|(due, _)| *due);
        tokio::select! {
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                while owed.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                    let (_, frame) = owed.pop_front().unwrap();
                    if line.say(frame).await.is_none() {
                        return;
                    }
                }
            }
            heard = line.hear() => {
                let Some(frame) = heard else { return };
                let Some(acknowledgement) = take(&frame, ledger) else { continue };
                if !matches!(habit, Habit::Silent) {
                    owed.push_back((Instant::now() + delay, acknowledgement));
                }
            }
        }
    }
}

/// Stores and acknowledges some messages, hears some more, and is gone before those are stored.
async fn live_shortly(line: &mut Line, ledger: &Ledger, messages: u32) {
    for n in 0..messages {
        let Some(frame) = line.hear().await else { return };
        if n + 3 > messages {
            continue;
        }
        if let Some(acknowledgement) = take(&frame, ledger)
            && line.say(acknowledgement).await.is_none()
        {
            return;
        }
    }
}

/// Stores a message; the frame that acknowledges it.
fn take(frame: &Value, ledger: &Ledger) -> Option<Value> {
    frame.get("content")?;
    ledger.store(ledger.number(frame["id"].as_str().unwrap()));
    let sender = frame["sender"].as_str().unwrap();
    assert!(sender.ends_with(SERVER_NAME));
    Some(
        json!({"messageId": frame["id"], "state": "received", "receiver": sender, "senderDevice": frame["senderDevice"]}),
    )
}
