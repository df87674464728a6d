//! What is shown. Nothing that another party wrote reaches the terminal as a control sequence.

use std::{fmt::Write as _, io::Write as _};

use client_core::{
    Body, Direction, StatusChange, StoredMessage,
    wire::{Address, State, Timestamp},
};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Prints for a person or for a program.
#[derive(Clone)]
pub(crate) struct Output {
    json: bool,
    own: Option<Address>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, own: None }
    }

    /// Says "me" of this account.
    pub(crate) fn of(&self, own: &Address) -> Self {
        Self { own: Some(own.clone()), ..self.clone() }
    }

    /// A line: the text for a person, the value for a program.
    pub(crate) fn line(&self, text: &str, value: &Value) {
        let line = if self.json { escape(&value.to_string()) } else { text.to_owned() };
        // Whoever has closed the pipe wants no more.
        let _ = writeln!(anstream::stdout(), "{line}");
    }

    /// A remark for a person, on stderr; a program gets it as an object.
    pub(crate) fn remark(&self, text: &str, kind: &str) {
        let line = if self.json { escape(&json!({"type": kind, "text": text}).to_string()) } else { printable(text) };
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// A failure, on stderr.
    pub(crate) fn failure(&self, failure: &Failure) {
        let (error, code) = (failure.to_string(), failure.code());
        let line = if self.json {
            escape(&json!({"error": error, "code": code}).to_string())
        } else {
            format!("missive: {}", printable(&error))
        };
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    pub(crate) fn message(&self, message: &StoredMessage) {
        let own = self.own.as_ref().map(Address::to_string);
        let (sender, receiver) = match message.direction {
            Direction::In => (Some(message.peer.to_string()), own),
            Direction::Out => (own, Some(message.peer.to_string())),
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
        if let Some(problem) = problem(&message.body) {
            value["problem"] = problem.into();
        }
        if message.direction == Direction::Out {
            value["state"] = message.state.map_or("pending".into(), |state| json!(state));
            value["code"] = json!(message.code);
        } else if message.identity_changed {
            value["identityChanged"] = true.into();
        }
        self.line(&message_text(message), &value);
    }

    pub(crate) fn status(&self, change: &StatusChange) {
        let StatusChange { id, receiver, state, code } = change;
        let reason = code.map(|code| format!(" ({})", code.as_str())).unwrap_or_default();
        let text = format!("{} {receiver}: {}{reason}", ticks(Some(*state)), state_name(*state));
        let value = json!({"type": "status", "id": id, "receiver": receiver, "state": state, "code": code});
        self.line(&text, &value);
    }
}

fn message_text(message: &StoredMessage) -> String {
    let at = time(message.sent_at);
    let body = match &message.body {
        Body::Text(text) => printable(text),
        other => format!("[{}]", printable(problem(other).unwrap_or_default())),
    };
    match message.direction {
        Direction::In => {
            let mark = if message.identity_changed { " [new identity key]" } else { "" };
            format!("{at} {}{mark}: {body}", message.peer)
        }
        Direction::Out => {
            let reason = message.code.map(|code| format!(" ({})", code.as_str())).unwrap_or_default();
            format!("{at} me: {body}  {}{reason}", ticks(message.state))
        }
    }
}

/// A person's text on one line, without control characters or reversals of direction.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '⏎',
            '\t' => ' ',
            c if is_control(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// JSON escapes the controls of ASCII only; the others stand in strings, where an escape means the same.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_control(c) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

/// To the second.
pub(crate) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let (seconds, _) = text.split_once('.').unwrap_or((&text, ""));
    seconds.replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_sequence_gets_through() {
        let hostile = "a\u{1b}[31mb\u{9b}2J\u{202e}c\r\nd\u{7f}\u{61c}";
        assert_eq!(printable(hostile), "a\u{fffd}[31mb\u{fffd}2J\u{fffd}c\u{fffd}⏎d\u{fffd}\u{fffd}");
        let line = escape(&json!({"text": hostile}).to_string());
        assert!(!line.chars().any(is_control), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], hostile);
    }
}
