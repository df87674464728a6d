//! What a command prints: one JSON document for programs, sentences and tables for persons.

use std::io::{self, ErrorKind, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use missive_wire::Timestamp;
use serde::Serialize;

use crate::failure::{Failure, Kind};

/// How a command answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the document, or what `text` makes of it.
    pub(crate) fn print<T: Serialize>(self, document: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string_pretty(document).map_err(|error| Failure::new(Kind::Failed, error))?
        } else {
            text(document)
        };
        write(&text)
    }

    /// Says how far the command is, to persons.
    pub(crate) fn progress(self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { write(line) }
    }
}

/// A reader that has seen enough, like `head`, is no failure.
fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::Failed, format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// A table without lines, for eyes and for `grep`.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    table.trim_fmt()
}

/// A time to the minute, UTC.
pub(crate) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// As [`minute`], where there may be none.
pub(crate) fn minute_or_dash(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), minute)
}

/// `1 session`, `2 sessions`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// What others wrote, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
