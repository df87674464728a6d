//! A message as lines of text.

use client_core::{Body, Direction, StoredMessage, wire::State};

use super::{
    model::outbox::{Fate, Unsent},
    text,
};
use crate::{
    failure::why,
    output::{problem, ticks, time},
};

/// The columns of the time, and of the lines below it.
const MARGIN: usize = 6;

/// Something in a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    Stored(i64, &'a StoredMessage),
    Unsent(&'a Unsent),
}

/// What a row goes by, whatever comes before or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Stored(i64),
    Unsent(u64),
}

/// A line of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowLine {
    pub(super) text: String,
    pub(super) part: Part,
}

/// Which part of a row a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A new day.
    Day,
    /// The line with the time, and the end of the name in it (in bytes).
    Head(usize),
    /// The rest.
    Body,
}

impl Row<'_> {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Stored(position, _) => Key::Stored(*position),
            Self::Unsent(unsent) => Key::Unsent(unsent.ticket),
        }
    }

    /// The day it was written, where that is known.
    pub(super) fn day(&self) -> Option<String> {
        match self {
            Self::Stored(_, message) => time(message.sent_at).get(..10).map(str::to_owned),
            Self::Unsent(_) => None,
        }
    }

    /// Its lines. `who` is the other party's name, `new_day` whether the row before is of another day.
    pub(super) fn lines(&self, who: &str, new_day: bool, columns: usize) -> Vec<RowLine> {
        let (minute, name, body, end) = match self {
            Self::Stored(_, message) => {
                let minute = time(message.sent_at).get(11..16).unwrap_or_default().to_owned();
                (minute, name(message, who), body(message), state(message))
            }
            Self::Unsent(unsent) => (String::new(), "me: ".to_owned(), unsent.text.clone(), fate(unsent)),
        };
        let room = columns.saturating_sub(MARGIN).max(1);
        let mut texts = text::wrap(&format!("{name}{body}"), room);
        append(&mut texts, &end, room);
        let mut lines = Vec::new();
        if let Some(day) = self.day().filter(|_| new_day) {
            lines.push(RowLine { text: text::cut(&format!("── {day} (UTC) ──"), columns), part: Part::Day });
        }
        for (at, line) in texts.into_iter().enumerate() {
            let left = if at == 0 { minute.as_str() } else { "" };
            let text = format!("{left:<MARGIN$}{line}");
            let named = at == 0 && line.starts_with(name.trim_end());
            let end = if named { MARGIN + name.trim_end().len() } else { 0 };
            lines.push(RowLine { text, part: if at == 0 { Part::Head(end) } else { Part::Body } });
        }
        lines
    }
}

/// What became of it goes behind the text, or below where there is no room.
fn append(texts: &mut Vec<String>, end: &str, room: usize) {
    if end.is_empty() {
        return;
    }
    match texts.last_mut() {
        Some(last) if text::width(last) + 2 + text::width(end) <= room => {
            last.push_str("  ");
            last.push_str(end);
        }
        _ => texts.extend(text::wrap(end, room)),
    }
}

fn name(message: &StoredMessage, who: &str) -> String {
    match message.direction {
        Direction::In if message.identity_changed => format!("{who} [!] [new identity key]: "),
        Direction::In => format!("{who}: "),
        Direction::Out => "me: ".into(),
    }
}

fn body(message: &StoredMessage) -> String {
    match &message.body {
        Body::Text(text) => text.clone(),
        other => format!("[{}]", problem(other).unwrap_or_default()),
    }
}

fn state(message: &StoredMessage) -> String {
    match (message.direction, message.state) {
        (Direction::In, _) => String::new(),
        (Direction::Out, Some(State::Undeliverable)) => {
            format!("{} undeliverable: {}", ticks(message.state), why(message.code))
        }
        (Direction::Out, state) => ticks(state).into(),
    }
}

fn fate(unsent: &Unsent) -> String {
    match &unsent.fate {
        Fate::Queued | Fate::Sending => "…".into(),
        Fate::Waiting { why, .. } => format!("… not encrypted yet: {why}"),
        Fate::Key => "… waits until you accept the new identity key: Ctrl-O".into(),
        Fate::Failed(why) => format!("✗ not sent: {why} (Ctrl-R takes it back)"),
    }
}
