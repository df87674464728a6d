//! What is shown. Nothing that another party wrote reaches the terminal as a control sequence.

mod message;
mod text;

use std::io::Write as _;

use client_core::{StatusChange, StoredMessage, wire::Address};
use serde_json::{Value, json};

use crate::failure::Failure;

pub(crate) use message::{Seen, held_by, problem, sent_as, ticks};
pub(crate) use text::{BAD, DIM, GOOD, ODD, STRONG, called, escape, paint, printable, time};

/// Prints for a person or for a program.
#[derive(Clone)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line: the text for a person, the value for a program.
    pub(crate) fn line(&self, text: &str, value: &Value) {
        // Whoever has closed the pipe wants no more.
        let _ = self.try_line(text, value);
    }

    /// A line that matters: where it cannot be written, what follows from it must not happen.
    pub(crate) fn try_line(&self, text: &str, value: &Value) -> Result<(), Failure> {
        let line = if self.json { escape(&value.to_string()) } else { text.to_owned() };
        let mut stdout = anstream::stdout();
        let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::Io(format!("the output cannot be written: {error}")),
        })
    }

    /// What stands above lines for a person; a program needs none.
    pub(crate) fn heading(&self, text: &str) {
        if !self.json {
            let _ = writeln!(anstream::stdout(), "{}", paint(DIM, text));
        }
    }

    /// A remark for a person, on stderr; a program gets it as an object.
    pub(crate) fn remark(&self, text: &str, kind: &str) {
        let line = if self.json { escape(&json!({"type": kind, "text": text}).to_string()) } else { printable(text) };
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// A failure, on stderr, and what to do about it.
    pub(crate) fn failure(&self, failure: &Failure) {
        let (error, code, hint) = (failure.to_string(), failure.code(), failure.hint());
        let lines = if self.json {
            let mut value = json!({"error": error, "code": code});
            if let Some(hint) = hint {
                value["hint"] = hint.into();
            }
            escape(&value.to_string())
        } else {
            let error = format!("{} {}", paint(BAD, "missive:"), printable(&error));
            hint.map_or(error.clone(), |hint| format!("{error}\n  {} {}", paint(STRONG, "try:"), printable(&hint)))
        };
        let _ = writeln!(anstream::stderr(), "{lines}");
    }

    /// A message, as an account has it. Fails where nobody can have seen it.
    pub(crate) fn message(&self, own: &Address, message: &StoredMessage, petname: Option<&str>) -> Result<(), Failure> {
        let seen = Seen { own, message, petname };
        self.try_line(&seen.text(), &seen.value())
    }

    /// A step of a message that an account has sent.
    pub(crate) fn status(&self, own: &Address, change: &StatusChange, petname: Option<&str>) {
        let (text, value) = message::step(own, change, petname);
        self.line(&text, &value);
    }
}
