//! Scrolling, pages, resizing.

use client_core::Event;
use crossterm::event::KeyCode;

use super::rig::{Rig, address};
use crate::chat::exchange::{Answer, Effect, PAGE};

const BOB: &str = "bob@one.example";

fn rig(messages: u32) -> Rig {
    let mut rig = Rig::new(40, 8);
    rig.know(BOB, 0);
    for number in 0..messages {
        rig.incoming(BOB, &format!("message {number}."));
    }
    rig.model.open(&address(BOB));
    rig
}

#[test]
fn older_pages_come_as_one_scrolls_back() {
    let count = PAGE * 3 + 7;
    let mut rig = rig(count);
    rig.see(&format!("message {}.", count - 1));
    for number in (0..count).rev() {
        // A new day takes a line too.
        for _ in 0..3 {
            if !rig.screen().contains(&format!(" message {number}.")) {
                rig.key(KeyCode::Up);
            }
        }
        rig.see(&format!(" message {number}."));
    }
    rig.key(KeyCode::Up);
    rig.see("── 2026-03-01 (UTC) ──");
    rig.see("message 0.");
    let top = rig.screen();
    rig.key(KeyCode::PageUp);
    assert_eq!(rig.screen(), top, "there is nothing before the first");
    rig.control('g');
    rig.see(&format!("message {}.", count - 1));
    rig.miss("more below");
}

#[test]
fn what_comes_does_not_move_what_one_reads() {
    let mut rig = rig(50);
    rig.screen();
    rig.key(KeyCode::PageUp);
    let before = rig.screen();
    assert!(before.contains("more below"), "{before}");
    for number in 0..5 {
        rig.incoming(BOB, &format!("new {number}"));
        let came = rig.stored.last().unwrap().clone();
        rig.model.event(Event::Message(came), rig.now);
        assert_eq!(rig.screen(), before);
    }
    rig.key(KeyCode::PageDown);
    rig.key(KeyCode::PageDown);
    rig.key(KeyCode::PageDown);
    rig.see("new 4");
}

#[test]
fn a_screen_that_shrinks_and_grows_keeps_its_place() {
    let mut rig = rig(50);
    rig.screen();
    rig.key(KeyCode::PageUp);
    rig.see("message 44.");
    for (columns, rows) in [(9, 3), (200, 60), (1, 1), (40, 8)] {
        rig.resize(columns, rows);
        rig.screen();
    }
    rig.see("message 44.");
}

#[test]
fn scrolling_up_and_down_by_a_line_shows_every_line() {
    let mut rig = Rig::new(40, 7);
    rig.know(BOB, 0);
    for number in 0..6 {
        rig.incoming(BOB, &format!("{number}a\n{number}b\n{number}c\n{number}d"));
    }
    rig.model.open(&address(BOB));
    rig.see("5d");
    let mut screens = vec![rig.screen()];
    loop {
        rig.key(KeyCode::Up);
        let screen = rig.screen();
        if Some(&screen) == screens.last() {
            break;
        }
        screens.push(screen);
    }
    assert_eq!(screens.len(), 25 - 3 + 1, "25 lines, of which 3 are shown");
    screens.pop();
    while let Some(screen) = screens.pop() {
        rig.key(KeyCode::Down);
        assert_eq!(rig.screen(), screen);
    }
}

#[test]
fn rows_that_come_faster_than_they_are_read_leave_no_gap() {
    let mut rig = rig(10);
    rig.screen();
    let last = i64::from(PAGE) * 3;
    for number in 10..=last {
        rig.incoming(BOB, &format!("message {number}."));
    }
    let came = rig.stored.last().unwrap().clone();
    rig.model.event(Event::Message(came), rig.now);
    rig.screen();
    let thread = rig.model.thread.as_ref().unwrap();
    assert_eq!(thread.sheet(&[], 40).rows.len(), rig.stored.len());
}

#[test]
fn an_answer_about_another_conversation_is_passed_over() {
    let mut rig = rig(3);
    rig.screen();
    let rows = vec![(99, rig.stored[0].clone())];
    rig.model.answer(Answer::Page { peer: address("carol@one.example"), before: None, limit: PAGE, rows }, rig.now);
    let thread = rig.model.thread.as_ref().unwrap();
    assert_eq!(thread.sheet(&[], 40).rows.len(), 3);
    assert!(!rig.asked.iter().any(|effect| matches!(effect, Effect::Page { .. })));
}
