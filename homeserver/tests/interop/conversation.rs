//! Alice, with `missive`, and Bob, with the official library: every message arrives once, in order, and is read.

use std::collections::HashMap;

use client_core::{Client, Event, Options, Reconnect, Unlock, wire::State};
use serde_json::Value;

use super::{
    official::Official,
    process::{Homeserver, User},
};

/// Messages a round, each way.
pub const MESSAGES: usize = 100;

/// So many of a round are sent by the binary, a process each; the rest by its library over one connection, which is the
/// same code without a start for every message.
const BY_BINARY: usize = 5;

/// So many of a round are sent while Alice is not connected.
const OFFLINE: usize = 20;

/// Both parties, and what they wrote.
pub struct Conversation {
    alice: User,
    bob: Official,
    written: HashMap<&'static str, Vec<String>>,
    /// The states that Bob was told of his messages, in their order.
    states: HashMap<String, Vec<String>>,
    /// The highest epoch of the post-quantum ratchet in what each wrote.
    epochs: HashMap<&'static str, u64>,
}

/// Texts of a round: no two are alike, and their lengths leave every remainder of the padding's block.
pub fn texts(who: &str, round: usize) -> Vec<String> {
    const SAMPLES: [&str; 5] = [
        "plain",
        "Grüße, żółw, ευχαριστώ",
        "👩🏽‍🚀 e\u{301} ﷽ 漢字",
        "\"quoted\"\\ \u{202e}reversed\u{202c}\ttab\nline",
        "\u{1f}\u{7f}\u{85}\u{2028}\u{feff}",
    ];
    let text = |n: usize| {
        let filler = "x".repeat((round * MESSAGES + n) % 321);
        format!("{who} {round}/{n} {} {filler}", SAMPLES[n % SAMPLES.len()])
    };
    (0..MESSAGES).map(text).collect()
}

impl Conversation {
    /// Both register; Bob connects, as a browser would.
    pub fn begin(server: &Homeserver) -> Self {
        let (alice, mut bob) = (User::register(server, "alice"), Official::register(server, "bob", 100));
        assert_eq!(bob.connect(true), Vec::<Value>::new());
        let (written, states, epochs) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { alice, bob, written, states, epochs }
    }

    /// Bob writes, at first to nobody who listens. Alice reads, and tells it.
    pub fn official_writes(&mut self, texts: &[String]) {
        let (offline, online) = texts.split_at(OFFLINE);
        self.bob.send(&self.alice.address(), offline);
        let mut under_way = self.follow(offline.len(), "sent");
        let count = texts.len().to_string();
        let mut listener = self.alice.listen(&["--read", "--count", &count]);
        let mut read: Vec<Value> = offline.iter().map(|_| listener.line("message")).collect();
        self.bob.send(&self.alice.address(), online);
        read.extend(online.iter().map(|_| listener.line("message")));
        listener.succeed();
        under_way.extend(self.follow(texts.len(), "read"));
        assert_eq!(read.iter().map(|message| message["text"].as_str().unwrap()).collect::<Vec<_>>(), texts);
        assert_eq!(read.iter().map(|message| message["id"].as_str().unwrap()).collect::<Vec<_>>(), under_way);
        self.written.entry("in").or_default().extend_from_slice(texts);
    }

    /// Alice writes. Bob reads, and tells it.
    pub async fn missive_writes(&mut self, texts: &[String]) {
        let (by_binary, by_library) = texts.split_at(BY_BINARY);
        tokio::task::block_in_place(|| {
            for text in by_binary {
                assert_eq!(self.alice.send(self.bob.address(), text, "read")["state"], "read");
            }
        });
        send_by_library(&self.alice, &self.bob.address(), by_library).await;
        tokio::task::block_in_place(|| self.official_has(texts));
        self.written.entry("out").or_default().extend_from_slice(texts);
    }

    /// Nothing is left to be told, and Alice's history has every message once, with its ticks.
    pub fn end(&mut self) {
        assert_eq!(self.bob.disconnect(), Vec::<Value>::new());
        assert_eq!(self.bob.connect(false), Vec::<Value>::new(), "everything was acknowledged");
        self.bob.disconnect();
        let history = self.alice.history(self.bob.address());
        for (direction, written) in &self.written {
            let (those, _): (Vec<_>, Vec<_>) = history.iter().partition(|line| line["direction"] == *direction);
            let texts = those.iter().map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>();
            assert_eq!(&texts, written);
            assert!(*direction == "in" || those.iter().all(|line| line["state"] == "read"), "{those:?}");
        }
        assert_eq!(self.states.len(), self.written["in"].len());
        assert!(self.states.values().all(|states| states.last().is_some_and(|last| last == "read")));
        let told = |state| self.states.values().filter(|states| states.iter().any(|told| told == state)).count();
        assert!(told("sent") >= self.written["in"].len() / MESSAGES * OFFLINE, "those that waited were told so");
        assert!(told("received") > 0);
        println!("epochs of the post-quantum ratchet: {:?}", self.epochs);
        assert!(self.epochs.values().all(|epoch| *epoch > 2), "the post-quantum ratchet goes on: {:?}", self.epochs);
    }

    /// Follows Bob until so many of the messages under way have a state; the ids of those that he sent meanwhile.
    fn follow(&mut self, count: usize, state: &str) -> Vec<String> {
        let (mut sent, mut reached) = (Vec::new(), 0);
        while reached < count {
            let event = self.bob.next();
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            match event["type"].as_str().unwrap() {
                "sending" => {
                    note_epoch(&mut self.epochs, "in", &event);
                    sent.push(id);
                }
                "claimed" => {}
                "status" => {
                    assert_eq!(event["sender"], self.alice.address(), "{event}");
                    self.states.entry(id).or_default().push(event["state"].as_str().unwrap().to_owned());
                    reached += usize::from(event["state"] == state);
                }
                _ => panic!("{event}"),
            }
        }
        sent
    }

    /// Bob got these, and nothing else; the homeserver has noted that he read them.
    fn official_has(&mut self, texts: &[String]) {
        let (mut read, mut noted) = (Vec::new(), Vec::new());
        while noted.len() < texts.len() {
            let event = self.bob.next();
            let id = event["id"].clone();
            match event["type"].as_str().unwrap() {
                "message" => {
                    assert_eq!(event["sender"], self.alice.address(), "{event}");
                    note_epoch(&mut self.epochs, "out", &event);
                    read.push((id, event["text"].as_str().unwrap().to_owned()));
                }
                "noted" => noted.push(id),
                _ => panic!("{event}"),
            }
        }
        let (mut ids, read): (Vec<Value>, Vec<String>) = read.into_iter().unzip();
        assert_eq!(read, texts);
        // Several `noted` may be under way at once.
        ids.sort_unstable_by_key(Value::to_string);
        noted.sort_unstable_by_key(Value::to_string);
        assert_eq!(ids, noted);
    }
}

/// Sends over one connection, and waits until everything has been read.
async fn send_by_library(user: &User, to: &str, texts: &[String]) {
    let options = Options::new(&user.folder, Unlock::KeyFile(user.key_file()));
    let client = Client::open(&options, &user.address().parse().unwrap()).await.unwrap();
    let mut connection = client.connect(Reconnect::Never).await.unwrap();
    for text in texts {
        client.send(&to.parse().unwrap(), text).await.unwrap();
    }
    let mut read = 0;
    while read < texts.len() {
        match connection.next().await.unwrap() {
            Event::Status(change) => read += usize::from(change.state == State::Read),
            Event::Connected { .. } | Event::Drained => {}
            other => panic!("{other:?}"),
        }
    }
    connection.close().await;
}

fn note_epoch(epochs: &mut HashMap<&'static str, u64>, direction: &'static str, event: &Value) {
    let highest = epochs.entry(direction).or_default();
    *highest = event["epoch"].as_u64().unwrap().max(*highest);
}
