//! The keys, and what they mean.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::InputRequest as Edit;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Send,
    Newline,
    TakeBack,
    Scroll(Scroll),
    Conversation(Step),
    NextUnread,
    Find,
    Contact,
    Help,
    Close,
    Redraw,
    Quit,
    Type(char),
    Edit(Edit),
}

/// How far to scroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scroll {
    Line(Step),
    Page(Step),
    End,
}

/// Towards the beginning or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Back,
    On,
}

/// The keys as help lists them.
pub(super) const TABLE: [(&str, &str); 16] = [
    ("Enter", "send the message; in a list, open"),
    ("Alt-Enter, Ctrl-J", "begin a new line in the message"),
    ("Ctrl-R", "take back what could not be sent, to write it anew"),
    ("Up, Down", "scroll by a line; in a list, choose"),
    ("PageUp, PageDown", "scroll by a page"),
    ("Ctrl-G", "scroll to the newest message"),
    ("Ctrl-N, Ctrl-P", "open the next, the previous conversation"),
    ("Tab", "open the next conversation with unread messages"),
    ("Ctrl-F", "find someone: type a name, or name@server"),
    ("Ctrl-O", "contact: safety number, verified, blocked, petname, new key"),
    ("Esc", "close what is open"),
    ("F1, or ? first", "help"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-A, Ctrl-E", "go to the beginning, the end of the message"),
    ("Ctrl-W, Ctrl-U, Ctrl-K", "delete a word, everything before, everything after; Ctrl-Y puts it back"),
    ("Ctrl-C, Ctrl-Q", "leave"),
];

/// What the marks on the screen mean.
pub(super) const MARKS: [(&str, &str); 9] = [
    ("…", "waits here for your homeserver"),
    ("✓", "a homeserver holds it"),
    ("✓✓", "received"),
    ("✓✓ read", "the receiver has seen it"),
    ("✗", "undeliverable, or not sent, and why"),
    ("(3)", "so many unread messages"),
    ("[v]", "verified: you compared the safety number"),
    ("[x]", "blocked"),
    ("[!]", "the identity key has changed"),
];

/// The keys and marks, for `--help`.
pub(crate) fn help() -> String {
    let line = |(left, right): &(&str, &str)| format!("  {left:<23} {right}");
    let lines = |table: &[(&str, &str)]| table.iter().map(line).collect::<Vec<_>>().join("\n");
    format!("Keys:\n{}\n\nMarks:\n{}\n\nNO_COLOR=1 leaves colours out.", lines(&TABLE), lines(&MARKS))
}

/// What a key asks for, wherever the cursor is.
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    match modifiers {
        KeyModifiers::NONE => plain(key.code),
        KeyModifiers::CONTROL => control(key.code),
        KeyModifiers::ALT => alt(key.code),
        _ => None,
    }
}

fn plain(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Char(c) => Action::Type(c),
        KeyCode::Enter => Action::Send,
        KeyCode::Esc => Action::Close,
        KeyCode::Tab => Action::NextUnread,
        KeyCode::F(1) => Action::Help,
        KeyCode::Up => Action::Scroll(Scroll::Line(Step::Back)),
        KeyCode::Down => Action::Scroll(Scroll::Line(Step::On)),
        KeyCode::PageUp => Action::Scroll(Scroll::Page(Step::Back)),
        KeyCode::PageDown => Action::Scroll(Scroll::Page(Step::On)),
        KeyCode::Left => Action::Edit(Edit::GoToPrevChar),
        KeyCode::Right => Action::Edit(Edit::GoToNextChar),
        KeyCode::Home => Action::Edit(Edit::GoToStart),
        KeyCode::End => Action::Edit(Edit::GoToEnd),
        KeyCode::Backspace => Action::Edit(Edit::DeletePrevChar),
        KeyCode::Delete => Action::Edit(Edit::DeleteNextChar),
        _ => return None,
    })
}

fn control(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Char('j') => Action::Newline,
        KeyCode::Char('r') => Action::TakeBack,
        KeyCode::Char('g') | KeyCode::End => Action::Scroll(Scroll::End),
        KeyCode::Char('n') => Action::Conversation(Step::On),
        KeyCode::Char('p') => Action::Conversation(Step::Back),
        KeyCode::Char('f') => Action::Find,
        KeyCode::Char('o') => Action::Contact,
        KeyCode::Char('l') => Action::Redraw,
        KeyCode::Char('c' | 'q') => Action::Quit,
        KeyCode::Char('a') => Action::Edit(Edit::GoToStart),
        KeyCode::Char('e') => Action::Edit(Edit::GoToEnd),
        // What Backspace sends in some terminals.
        KeyCode::Char('h') => Action::Edit(Edit::DeletePrevChar),
        KeyCode::Char('d') => Action::Edit(Edit::DeleteNextChar),
        KeyCode::Char('w') | KeyCode::Backspace => Action::Edit(Edit::DeletePrevWord),
        KeyCode::Delete => Action::Edit(Edit::DeleteNextWord),
        KeyCode::Char('u') => Action::Edit(Edit::DeleteFromStart),
        KeyCode::Char('k') => Action::Edit(Edit::DeleteTillEnd),
        KeyCode::Char('y') => Action::Edit(Edit::Yank),
        KeyCode::Left => Action::Edit(Edit::GoToPrevWord),
        KeyCode::Right => Action::Edit(Edit::GoToNextWord),
        _ => return None,
    })
}

fn alt(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Enter => Action::Newline,
        KeyCode::Char('b') | KeyCode::Left => Action::Edit(Edit::GoToPrevWord),
        KeyCode::Char('f') | KeyCode::Right => Action::Edit(Edit::GoToNextWord),
        KeyCode::Char('d') => Action::Edit(Edit::DeleteNextWord),
        KeyCode::Backspace => Action::Edit(Edit::DeletePrevWord),
        KeyCode::Down => Action::Conversation(Step::On),
        KeyCode::Up => Action::Conversation(Step::Back),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_key() {
        let readme = include_str!("../../../../../README.md");
        for (keys, what) in TABLE {
            assert!(readme.contains(&format!("| {keys} | {what} |")), "| {keys} | {what} |");
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        for line in help().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
