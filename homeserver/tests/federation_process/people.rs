//! Someone who writes to a person of another homeserver, in raw frames.

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::process::{Person, Socket};

/// Someone who is connected.
pub struct Correspondent {
    socket: Socket,
}

/// Lets the homeservers of two people find each other. The first message each way comes back for that, for now.
pub async fn meet(one: &Person, other: &Person) {
    for (from, to) in [(one, other), (other, one)] {
        let (mut sender, mut receiver) = (Correspondent::connect(from).await, Correspondent::connect(to).await);
        let id = Uuid::now_v7();
        while !sender.try_write(to, id).await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        receiver.receive(&from.address(), &[id]).await;
        sender.told(&to.address(), &[id], "received").await;
    }
}

impl Correspondent {
    pub async fn connect(person: &Person) -> Self {
        Self { socket: person.open().await }
    }

    /// Writes so many messages; their ids.
    pub async fn write_many(&mut self, to: &Person, count: usize) -> Vec<Uuid> {
        let ids = (0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>();
        for id in &ids {
            self.write(to, *id).await;
        }
        ids
    }

    async fn write(&mut self, to: &Person, id: Uuid) {
        self.socket.send(json!({"id": id, "receiver": to.address(), "kind": "message", "content": "aGk="})).await;
    }

    /// Writes a message; whether it was taken.
    async fn try_write(&mut self, to: &Person, id: Uuid) -> bool {
        self.write(to, id).await;
        loop {
            let frame = self.socket.next().await;
            if frame.get("error").is_some() {
                assert_eq!(frame["code"], "unknown_server", "{frame}");
                assert!(frame["retryAfter"].is_u64(), "{frame}");
                return false;
            }
            if frame["messageId"] == json!(id) && frame["state"] == "sent" {
                return true;
            }
        }
    }

    /// Takes those messages, and no others, in their order; acknowledges each; their ids, as they came.
    pub async fn receive(&mut self, sender: &str, ids: &[Uuid]) -> Vec<Value> {
        let mut came = Vec::new();
        while came.len() < ids.len() {
            let frame = self.socket.next().await;
            if frame.get("content").is_some() {
                assert_eq!((&frame["id"], &frame["sender"]), (&json!(ids[came.len()]), &json!(sender)));
                self.socket.received(&frame).await;
                came.push(frame["id"].clone());
            }
        }
        came
    }

    /// Says that those messages were displayed, and waits until that is noted.
    pub async fn read(&mut self, sender: &str, ids: &[Value]) {
        self.socket.send(json!({"messageIds": ids, "state": "read", "receiver": sender})).await;
        let mut noted = HashSet::new();
        while noted.len() < ids.len() {
            let frame = self.socket.next().await;
            noted.extend(frame["noted"]["messageIds"].as_array().into_iter().flatten().cloned());
        }
    }

    /// Waits until each of those messages was told to be in that state; acknowledges what must be.
    pub async fn told(&mut self, receiver: &str, ids: &[Uuid], state: &str) {
        let mut wanted = ids.iter().map(|id| json!(id)).collect::<HashSet<_>>();
        while !wanted.is_empty() {
            let frame = self.socket.next().await;
            assert!(frame.get("error").is_none(), "{frame}");
            if frame.get("state").is_none() {
                continue;
            }
            assert_eq!(frame["sender"], receiver, "{frame}");
            let ids = frame.get("messageIds").and_then(Value::as_array).cloned();
            let ids = ids.unwrap_or_else(|| vec![frame["messageId"].clone()]);
            if frame["state"] == state {
                wanted.retain(|id| !ids.contains(id));
            }
            if frame["state"] != "sent" {
                self.socket.send(json!({"statusAck": {"messageIds": ids, "state": frame["state"]}})).await;
            }
        }
    }
}
