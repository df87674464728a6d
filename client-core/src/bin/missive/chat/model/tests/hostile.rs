//! What others write, and screens of every size.

use std::time::Duration;

use client_core::Event;
use crossterm::event::KeyCode;
use ratatui::style::Color;

use super::rig::{Rig, address, message};
use crate::chat::exchange::{Answer, Found, Safety, Why};

const HOSTILE: &str =
    "\u{1b}[31mred\u{1b}[2J\u{9b}1m\u{202e}back\u{7}\u{0}\u{1b}]0;title\u{7}\r\n👨‍👩‍👧你好e\u{301}\u{200d}\u{fe0f}";

/// A screen with as much of it as there can be.
fn rig(colours: bool) -> Rig {
    let mut rig = Rig::new(80, 24);
    rig.colours = colours;
    let bob = rig.know("bob@two.example", 7);
    bob.contact.petname = Some(HOSTILE.into());
    bob.identity_changed = true;
    rig.incoming("bob@two.example", HOSTILE);
    rig.incoming("bob@two.example", &format!("a{}", "\u{301}".repeat(500)));
    let refused = serde_json::json!({"body": {"refused": HOSTILE}, "identityChanged": true});
    rig.stored.push(message("in", "bob@two.example", 2, "", &refused));
    rig.outgoing("bob@two.example", HOSTILE, "sent");
    rig.model.open(&address("bob@two.example"));
    rig.model.paste(HOSTILE, rig.now);
    rig.key(KeyCode::Enter);
    rig.screen();
    let why = Why::Final(HOSTILE.into());
    rig.model.answer(Answer::NotSent { peer: address("bob@two.example"), ticket: 1, why }, rig.now);
    rig.model.paste(HOSTILE, rig.now);
    rig.model.event(Event::Disconnected { error: HOSTILE.into(), retry_in: Duration::from_secs(5) }, rig.now);
    rig.model.answer(Answer::Failed(HOSTILE.into()), rig.now);
    rig
}

/// The same with each panel over it.
fn rigs(colours: bool) -> Vec<Rig> {
    let (mut find, mut card, mut renaming, mut help, mut closed) =
        (rig(colours), rig(colours), rig(colours), rig(colours), rig(colours));
    find.control('f');
    find.type_in("bo");
    find.pass(Duration::from_secs(1));
    let found = Ok(Found { users: vec![address("bob@two.example")], more: true });
    find.model.answer(Answer::Found { text: "bo".into(), found }, find.now);
    card.control('o');
    let number = Safety { groups: vec!["12345".into(); 12], changed: true };
    card.model.answer(Answer::Safety { peer: address("bob@two.example"), number: Ok(number) }, card.now);
    renaming.control('o');
    renaming.key(KeyCode::Char('n'));
    help.key(KeyCode::F(1));
    closed.key(KeyCode::Esc);
    vec![rig(colours), find, card, renaming, help, closed]
}

#[test]
fn nothing_that_others_write_is_a_control_sequence() {
    for mut rig in rigs(true) {
        rig.screen();
        for cell in rig.terminal.backend().buffer().content() {
            let harmless = |c: char| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c);
            assert!(cell.symbol().chars().all(harmless), "{:?}", cell.symbol());
            assert!(cell.symbol().chars().count() <= 16, "{:?}", cell.symbol());
        }
    }
    rig(true).see("\u{fffd}[31mred");
    rig(true).see("你好");
}

#[test]
fn no_size_of_the_screen_is_a_problem() {
    for mut rig in rigs(true) {
        for (columns, rows) in (0..30).flat_map(|columns| (0..8).map(move |rows| (columns, rows))) {
            rig.resize(columns, rows);
            rig.draw();
            rig.key(KeyCode::Up);
        }
        for (columns, rows) in [(40, 5), (59, 6), (60, 7), (300, 100), (1, 100), (300, 1)] {
            rig.resize(columns, rows);
            rig.draw();
            rig.key(KeyCode::PageDown);
        }
    }
}

#[test]
fn without_colours_there_are_none_and_words_say_it_all() {
    for mut rig in rigs(false) {
        rig.screen();
        for cell in rig.terminal.backend().buffer().content() {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
    let mut rig = rig(false);
    for words in ["(4)", "[!] new identity key: Ctrl-O", "Offline", "✓", "✗ not sent", "held by one.example"] {
        rig.see(words);
    }
}
