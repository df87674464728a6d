//! The screen itself: sizes, colours, help, and what is no screen.

use crate::{
    people::{AtTerminal as _, SIZE, homeserver},
    process::User,
    terminal::Terminal,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_size_shows_what_it_can() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    bob.send(&alice, "the owl flies at midnight", "sent");
    let mut a = alice.chat(&["bob"]);
    a.see("bob: the owl flies at midnight");
    a.keys("seen");
    for (columns, rows) in [(20, 5), (8, 2), (1, 1), (30, 4), (3, 40), (250, 80)] {
        a.resize(columns, rows);
        // Something to wait for: the last thing typed, or as much of it as fits.
        a.keys("n");
        a.wait("the text at the cursor", |screen| {
            let (row, column) = screen.cursor_position();
            let before = column.checked_sub(1).and_then(|column| screen.cell(row, column));
            row + 1 == rows && (columns == 1 || before.is_some_and(|cell| cell.contents() == "n"))
        });
    }
    a.see("bob: the owl flies at midnight");
    a.see("> seennnnnn");
    a.resize(20, 8);
    a.wait("the wrapped text", |screen| screen.contents().contains("bob: the owl\n      flies at\n      midnight"));
    a.keys("\u{3}");
    assert_eq!(a.ended_and_restored(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_there_are_none() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    bob.send(&alice, "hello", "sent");
    for (colours, variable, value) in
        [(true, "TERM", "xterm"), (false, "NO_COLOR", "1"), (true, "NO_COLOR", ""), (false, "TERM", "dumb")]
    {
        let mut command = alice.command(&["chat", "bob"]);
        command.env(variable, value);
        let mut a = Terminal::run(command, SIZE);
        a.see("bob: hello");
        a.keys("\u{3}");
        assert_eq!(a.ended_and_restored(), 0);
        assert_eq!(a.text().trim(), "");
        assert_eq!(has_colours(&a.raw), colours, "{variable}={value}");
    }
}

/// Whether a colour is chosen anywhere, other than the terminal's own.
fn has_colours(raw: &[u8]) -> bool {
    let raw = String::from_utf8_lossy(raw);
    let sequences = raw.split("\u{1b}[").filter_map(|rest| rest.split_once(|c: char| c.is_ascii_alphabetic()));
    let graphics = sequences.filter(|(parameters, _)| parameters.chars().all(|c| c.is_ascii_digit() || c == ';'));
    let mut numbers =
        graphics.flat_map(|(parameters, _)| parameters.split(';')).filter_map(|number| number.parse().ok());
    numbers.any(|number: u16| matches!(number, 30..=38 | 40..=48 | 58 | 90..=107)) && raw.contains(";5;")
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_a_key_away() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let mut a = alice.chat(&["bob"]);
    a.keys("?");
    a.see("send the message; in a list, open");
    a.keys("\u{1b}");
    a.miss("send the message; in a list, open");
    a.keys("why?");
    a.see("> why?");
    // F1
    a.keys("\u{1b}OP");
    a.see("send the message; in a list, open");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_says_what_to_use() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let output = std::process::Command::new(alice.command(&[]).get_argv()[0].clone()).arg("chat").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`missive chat` needs a terminal"), "{output:?}");
    let mut a = Terminal::run(alice.command(&["--json", "chat"]), SIZE);
    assert_eq!(a.ended_and_restored(), 2);
    assert!(a.text().contains("for a person"), "{}", a.text());
    let mut command = alice.command(&["chat"]);
    command.env("MISSIVE_LOG", "debug");
    let mut a = Terminal::run(command, SIZE);
    assert_eq!(a.ended_and_restored(), 2);
    assert!(a.text().contains("2>missive.log"), "{}", a.text());
}
