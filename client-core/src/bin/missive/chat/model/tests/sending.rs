//! Sending, and what stands in its way.

use std::time::Duration;

use client_core::{Event, StatusChange, wire::State};
use crossterm::event::KeyCode;

use super::rig::{Rig, address};
use crate::chat::exchange::{Answer, Effect, Safety, Why};

const BOB: &str = "bob@two.example";

fn rig() -> Rig {
    let mut rig = Rig::new(110, 20);
    rig.know(BOB, 0);
    rig.model.open(&address(BOB));
    rig.screen();
    rig
}

fn send(ticket: u64, text: &str) -> Effect {
    Effect::Send { peer: address(BOB), ticket, text: text.into() }
}

#[test]
fn a_message_that_was_pasted_in_lines_is_one_message() {
    let mut rig = rig();
    rig.model.paste("one\r\ntwo", rig.now);
    rig.control('j');
    rig.type_in("three");
    rig.see("> one⏎two⏎three");
    rig.key(KeyCode::Enter);
    rig.see("me: one");
    assert_eq!(rig.asked, [send(1, "one\ntwo\nthree")]);
    rig.outgoing(BOB, "one\ntwo\nthree", "");
    let rows = vec![(0, rig.stored[0].clone())];
    rig.model.answer(Answer::Sent { peer: address(BOB), ticket: 1, rows }, rig.now);
    rig.see("12:00 me: one\n");
    rig.see("three  …");
}

#[test]
fn a_tick_that_came_does_not_go_when_an_older_reading_comes() {
    let mut rig = rig();
    rig.outgoing(BOB, "hello", "sent");
    let old = vec![(0, rig.stored[0].clone())];
    rig.model.answer(Answer::Sent { peer: address(BOB), ticket: 1, rows: old.clone() }, rig.now);
    rig.see("me: hello  ✓\n");
    let change = StatusChange { id: rig.stored[0].id, receiver: address(BOB), state: State::Received, code: None };
    rig.model.event(Event::Status(change), rig.now);
    rig.model.answer(Answer::Page { peer: address(BOB), before: None, limit: 8, rows: old }, rig.now);
    rig.see("me: hello  ✓✓");
}

#[test]
fn what_fails_for_now_is_sent_when_the_connection_is_back() {
    let mut rig = rig();
    rig.type_in("hello");
    rig.key(KeyCode::Enter);
    rig.screen();
    let why = Why::Temporary("the homeserver cannot be reached".into());
    rig.model.answer(Answer::NotSent { peer: address(BOB), ticket: 1, why }, rig.now);
    rig.see("me: hello  … not encrypted yet: the homeserver cannot be reached");
    rig.control('c');
    assert!(!rig.model.left);
    rig.see("press Ctrl-C again");
    rig.model.event(Event::Connected { pending: 0 }, rig.now);
    rig.screen();
    assert_eq!(rig.asked, [send(1, "hello"), send(1, "hello")]);
    rig.model.answer(Answer::Sent { peer: address(BOB), ticket: 1, rows: Vec::new() }, rig.now);
    rig.control('c');
    assert!(rig.model.left);
}

#[test]
fn what_fails_for_good_can_be_taken_back() {
    let mut rig = rig();
    rig.type_in("hello");
    rig.key(KeyCode::Enter);
    rig.screen();
    let why = Why::Final("there is no such account\u{1b}[2J".into());
    rig.model.answer(Answer::NotSent { peer: address(BOB), ticket: 1, why }, rig.now);
    rig.see("✗ not sent: there is no such account\u{fffd}[2J");
    rig.control('r');
    rig.see("> hello");
    rig.miss("not sent");
}

#[test]
fn a_new_identity_key_asks_for_acceptance() {
    let mut rig = rig();
    rig.contacts[0].identity_changed = true;
    rig.type_in("hello");
    rig.key(KeyCode::Enter);
    rig.screen();
    rig.model.answer(Answer::NotSent { peer: address(BOB), ticket: 1, why: Why::Key }, rig.now);
    let groups: Vec<String> = (0..12).map(|group| format!("{:05}", group * 1111)).collect();
    let digits = groups.concat();
    let number = Ok(Safety { groups, changed: true });
    rig.screen();
    rig.model.answer(Answer::Safety { peer: address(BOB), number }, rig.now);
    rig.see("The identity key has changed");
    rig.see("00000 01111 02222 03333");
    rig.miss("[a]");
    rig.type_in("about");
    rig.screen();
    assert_eq!(rig.asked, [send(1, "hello"), Effect::Safety(address(BOB))], "what was typed meanwhile accepts nothing");
    rig.pass(Duration::from_secs(1));
    rig.see("[a] accept the new key of bob");
    rig.key(KeyCode::Char('v'));
    rig.see("Accept the new key first");
    rig.key(KeyCode::Char('a'));
    rig.screen();
    assert_eq!(rig.asked.pop(), Some(Effect::Accept(address(BOB), digits)));
    rig.contacts[0].identity_changed = false;
    rig.model.answer(Answer::Accepted(address(BOB)), rig.now);
    rig.see("is accepted");
    assert!(rig.asked.contains(&send(1, "hello")));
    assert_eq!(rig.asked.iter().filter(|asked| **asked == send(1, "hello")).count(), 2);
}

#[test]
fn a_message_that_waits_for_another_homeserver_says_where_it_is() {
    let mut rig = rig();
    rig.outgoing(BOB, "hello", "sent");
    let mut change = StatusChange { id: rig.stored[0].id, receiver: address(BOB), state: State::Sent, code: None };
    rig.model.event(Event::Status(change.clone()), rig.now);
    rig.see("A message is held by one.example or two.example until it is fetched");
    rig.outgoing(BOB, "again", "sent");
    change.id = rig.stored[1].id;
    rig.model.event(Event::Status(change.clone()), rig.now);
    rig.see("2 messages are held by one.example or two.example until they are fetched");
    change.state = State::Received;
    rig.model.event(Event::Status(change.clone()), rig.now);
    rig.see("A message is held by one.example");
    change.id = rig.stored[0].id;
    rig.model.event(Event::Status(change), rig.now);
    rig.miss("held by");
}
