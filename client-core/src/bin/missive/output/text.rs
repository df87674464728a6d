//! Text for a terminal: without control sequences of others, with colours of ours.

use std::fmt::{Display, Write as _};

use anstyle::{AnsiColor, Style};
use client_core::wire::{Address, Timestamp};

/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Who.
pub(crate) const STRONG: Style = Style::new().bold();
/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// Wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// In a colour; it vanishes where the output is no terminal or nobody wants it, so nothing may be told by it alone.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Someone, by the petname if there is one.
pub(crate) fn called(address: &Address, petname: Option<&str>) -> String {
    petname.map_or_else(|| address.to_string(), |petname| format!("{} ({address})", printable(petname)))
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
pub(crate) fn escape(json: &str) -> String {
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

/// To the second.
pub(crate) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let (seconds, _) = text.split_once('.').unwrap_or((&text, ""));
    seconds.replacen('T', " ", 1)
}

fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
