//! Messages and how far they have come.

use client_core::{
    Body, Direction, StatusChange, StoredMessage,
    wire::{Address, Code, State},
};
use serde_json::{Value, json};

use super::text::{BAD, DIM, GOOD, ODD, STRONG, called, paint, printable, time};

/// A message, as an account has it.
pub(crate) struct Seen<'a> {
    pub(crate) own: &'a Address,
    pub(crate) message: &'a StoredMessage,
    pub(crate) petname: Option<&'a str>,
}

impl Seen<'_> {
    /// For a program.
    pub(crate) fn value(&self) -> Value {
        let Self { own, message, petname } = self;
        let (sender, receiver) = match message.direction {
            Direction::In => (&message.peer, *own),
            Direction::Out => (*own, &message.peer),
        };
        let mut value = json!({
            "type": "message",
            "direction": message.direction,
            "id": message.id,
            "sender": sender,
            "senderDevice": message.sender_device,
            "receiver": receiver,
            "sentAt": message.sent_at,
            "text": message.text(),
        });
        if let Some(petname) = petname {
            value["petname"] = (*petname).into();
        }
        if let Some(problem) = problem(&message.body) {
            value["problem"] = problem.into();
        }
        if message.direction == Direction::Out {
            value["state"] = message.state.map_or("pending".into(), |state| json!(state));
            value["code"] = json!(message.code);
            if let Some(servers) = held_by(own, &message.peer, message.state) {
                value["heldBy"] = json!(servers);
            }
        } else if message.identity_changed {
            value["identityChanged"] = true.into();
        }
        value
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", paint(DIM, time(self.message.sent_at)), self.line())
    }

    fn line(&self) -> String {
        self.around(&body(&self.message.body))
    }

    /// As [`Seen::text`], without the time, and with so many characters of the message at most.
    pub(crate) fn short(&self, characters: usize) -> String {
        match self.message.text() {
            Some(text) if text.chars().nth(characters).is_some() => {
                let start: String = text.chars().take(characters).collect();
                self.around(&format!("{}…", printable(&start)))
            }
            _ => self.line(),
        }
    }

    fn around(&self, body: &str) -> String {
        let Self { own, message, petname } = self;
        match message.direction {
            Direction::In => {
                let mark = if message.identity_changed { paint(ODD, " [new identity key]") } else { String::new() };
                format!("{}{mark}: {body}", paint(STRONG, called(&message.peer, *petname)))
            }
            Direction::Out => {
                format!("{}: {body}  {}", paint(STRONG, "me"), way(own, &message.peer, message.state, message.code))
            }
        }
    }
}

/// A step of a sent message.
pub(super) fn step(own: &Address, change: &StatusChange, petname: Option<&str>) -> (String, Value) {
    let StatusChange { id, receiver, state, code } = change;
    let way = way(own, receiver, Some(*state), *code);
    let text = format!("{} {}: {}", way, paint(STRONG, called(receiver, petname)), state_name(*state));
    let mut value = json!({"type": "status", "id": id, "receiver": receiver, "state": state, "code": code});
    if let Some(servers) = held_by(own, receiver, Some(*state)) {
        value["heldBy"] = json!(servers);
    }
    (text, value)
}

/// How far a message has come, in a mark and a word.
pub(crate) fn sent_as(own: &Address, receiver: &Address, state: State) -> String {
    format!("{} {}", state_name(state), way(own, receiver, Some(state), None))
}

/// The homeservers of which one holds a message of this account: which of them is not told.
pub(crate) fn held_by<'a>(own: &'a Address, receiver: &'a Address, state: Option<State>) -> Option<[&'a str; 2]> {
    let is_between = state == Some(State::Sent) && receiver.server != own.server;
    is_between.then_some([own.server.as_str(), receiver.server.as_str()])
}

pub(crate) fn problem(body: &Body) -> Option<&str> {
    match body {
        Body::Text(_) => None,
        Body::Unsupported => Some("this version cannot show what this message holds"),
        Body::Undecryptable => Some("this message could not be decrypted; its sender has been told"),
        Body::Refused(reason) => Some(reason),
    }
}

pub(crate) fn ticks(state: Option<State>) -> &'static str {
    match state {
        None => "…",
        Some(State::Sent) => "✓",
        Some(State::Received) => "✓✓",
        Some(State::Read) => "✓✓ read",
        Some(State::Undeliverable) => "✗",
    }
}

pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Sent => "sent",
        State::Received => "received",
        State::Read => "read",
        State::Undeliverable => "undeliverable",
    }
}

/// How far a sent message has come, and what that means where the mark alone does not tell.
fn way(own: &Address, receiver: &Address, state: Option<State>, code: Option<Code>) -> String {
    let style = match state {
        None | Some(State::Sent) => DIM,
        Some(State::Received | State::Read) => GOOD,
        Some(State::Undeliverable) => BAD,
    };
    let mark = paint(style, ticks(state));
    if let Some([here, there]) = held_by(own, receiver, state) {
        return format!("{mark} (held by {here} or {there} until it is fetched)");
    }
    match (code, state) {
        (Some(code), _) => format!("{mark} ({})", printable(code.as_str())),
        (None, None) => format!("{mark} (waits here for the homeserver)"),
        (None, Some(_)) => mark,
    }
}

fn body(body: &Body) -> String {
    match body {
        Body::Text(text) => printable(text),
        other => paint(ODD, format!("[{}]", printable(problem(other).unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(peer: &str, state: Option<State>) -> StoredMessage {
        let message = json!({
            "id": "00000000-0000-4000-8000-000000000001", "direction": "out", "peer": peer, "senderDevice": 1,
            "sentAt": "2026-03-01T12:00:00.000Z", "body": {"text": "hello"}, "state": state,
        });
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn a_message_that_waits_for_a_far_server_says_where() {
        let own: Address = "alice@one.example".parse().unwrap();
        let seen = |peer: &str, state| {
            let message = sent(peer, state);
            let seen = Seen { own: &own, message: &message, petname: None };
            (anstream::adapter::strip_str(&seen.text()).to_string(), seen.value()["heldBy"].clone())
        };
        let (text, held) = seen("bob@two.example", Some(State::Sent));
        assert_eq!(text, "2026-03-01 12:00:00 me: hello  ✓ (held by one.example or two.example until it is fetched)");
        assert_eq!(held, json!(["one.example", "two.example"]));
        for (peer, state, mark) in [
            ("bob@one.example", Some(State::Sent), "✓"),
            ("bob@two.example", Some(State::Received), "✓✓"),
            ("bob@two.example", Some(State::Read), "✓✓ read"),
            ("bob@two.example", None, "… (waits here for the homeserver)"),
        ] {
            let (text, held) = seen(peer, state);
            assert_eq!((text, held), (format!("2026-03-01 12:00:00 me: hello  {mark}"), Value::Null));
        }
    }
}
