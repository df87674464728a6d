//! The list, opening, finding, and what has been seen.

use std::time::Duration;

use client_core::{Event, wire::Address};
use crossterm::event::KeyCode;

use super::rig::{Rig, address, message};
use crate::chat::{
    exchange::{Answer, Effect, Found, Note, Safety},
    model::Link,
};

#[test]
fn the_screen_shows_conversations_marks_and_ticks() {
    let mut rig = Rig::new(110, 12);
    let bob = rig.know("bob@two.example", 0);
    (bob.contact.petname, bob.contact.verified) = (Some("Bobby".into()), true);
    rig.know("carol@one.example", 3);
    rig.know("mallory@one.example", 0).contact.blocked = true;
    rig.incoming("bob@two.example", "Are you there?");
    for (text, state) in [("one", "read"), ("two", "received"), ("three", "sent"), ("four", "")] {
        rig.outgoing("bob@two.example", text, state);
    }
    let gone = message(
        "out",
        "bob@two.example",
        5,
        "five",
        &serde_json::json!({"state": "undeliverable", "code": "receiver_gone"}),
    );
    rig.stored.push(gone);
    rig.model.event(Event::Connected { pending: 0 }, rig.now);
    rig.screen();
    rig.key(KeyCode::Down);
    rig.key(KeyCode::Enter);
    rig.type_in("hi");
    insta::assert_snapshot!(rig.screen(), @r"
     Missive  alice@one.example                                                                  3 unread  online
    > Bobby [v]                         │bob@two.example Bobby [v] verified
      carol (3)                         │── 2026-03-01 (UTC) ──
      mallory [x]                       │12:00 Bobby: Are you there?
                                        │12:01 me: one  ✓✓ read
                                        │12:02 me: two  ✓✓
                                        │12:03 me: three  ✓
                                        │12:04 me: four  …
                                        │12:05 me: five
                                        │      ✗ undeliverable: there is no such account any more (receiver_gone)
    A message is held by one.example or two.example until it is fetched
    > hi
    ");
}

#[test]
fn nothing_is_read_before_it_is_chosen_and_on_the_screen() {
    let mut rig = Rig::new(72, 8);
    rig.know("bob@one.example", 30);
    for number in 0..40 {
        rig.incoming("bob@one.example", &format!("message {number}"));
    }
    rig.see("bob (30)");
    assert_eq!(rig.asked, [], "it is not open");
    rig.model.open(&address("bob@one.example"));
    rig.control('f');
    rig.screen();
    assert_eq!(rig.asked, [], "something lies over it");
    rig.key(KeyCode::Esc);
    rig.see("message 39");
    let read = |rig: &mut Rig| match rig.asked.pop() {
        Some(Effect::Read(messages)) => messages.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&mut rig), 4, "the rows of the screen");
    rig.contacts[0].unread = 26;
    rig.model.answer(Answer::Read, rig.now);
    rig.screen();
    assert_eq!(rig.asked, [], "once");
    rig.key(KeyCode::PageUp);
    rig.screen();
    assert_eq!(read(&mut rig), 3, "a page has a line of the one before");
    rig.contacts[0].unread = 0;
    rig.model.answer(Answer::Read, rig.now);
    rig.screen();
    rig.key(KeyCode::PageUp);
    rig.screen();
    assert_eq!(rig.asked, [], "the rest was read elsewhere");
}

#[test]
fn a_message_that_comes_leaves_the_typed_text_and_the_cursor() {
    let mut rig = Rig::new(72, 10);
    rig.know("bob@one.example", 0);
    rig.model.open(&address("bob@one.example"));
    rig.type_in("half a sentense");
    rig.key(KeyCode::Left);
    rig.screen();
    let before = rig.terminal.get_cursor_position().unwrap();
    rig.incoming("bob@one.example", "in between");
    let came = rig.stored[0].clone();
    rig.model.event(Event::Message(came), rig.now);
    rig.see("bob: in between");
    rig.see("> half a sentense");
    assert_eq!(rig.terminal.get_cursor_position().unwrap(), before);
    rig.key(KeyCode::Backspace);
    rig.type_in("c");
    rig.see("> half a sentence");
}

#[test]
fn drafts_stay_with_their_conversations() {
    let mut rig = Rig::new(50, 10);
    rig.know("bob@one.example", 0);
    rig.know("carol@one.example", 1);
    rig.screen();
    rig.control('n');
    rig.type_in("for bob");
    rig.key(KeyCode::Tab);
    rig.see("carol@one.example");
    rig.miss("for bob");
    rig.control('p');
    rig.see("> for bob");
    rig.key(KeyCode::Esc);
    rig.see("carol (1)");
    rig.miss("for bob");
}

#[test]
fn someone_is_found_while_typing() {
    let mut rig = Rig::new(72, 12);
    rig.type_in("bo");
    rig.see("Name: bo");
    rig.see("Searching…");
    assert_eq!(rig.asked, []);
    rig.pass(Duration::from_millis(300));
    rig.screen();
    assert_eq!(rig.asked, [Effect::Find("bo".into())]);
    let users: Vec<Address> = vec![address("bob@one.example"), address("boris@one.example")];
    rig.model.answer(Answer::Found { text: "bo".into(), found: Ok(Found { users, more: true }) }, rig.now);
    rig.see("There are more");
    rig.key(KeyCode::Down);
    rig.see("> boris@one.example");
    rig.key(KeyCode::Enter);
    rig.see("Nothing was said yet");
    rig.see("> boris");
}

#[test]
fn a_card_notes_what_one_knows_of_a_contact() {
    let mut rig = Rig::new(72, 16);
    rig.know("bob@one.example", 0);
    rig.model.open(&address("bob@one.example"));
    rig.control('o');
    rig.see("[v] mark as verified");
    rig.type_in("v");
    rig.see("There is no safety number yet");
    let number = Ok(Safety { groups: vec!["12345".into(); 12], changed: false });
    rig.model.answer(Answer::Safety { peer: address("bob@one.example"), number }, rig.now);
    rig.type_in("vbn");
    rig.type_in("Bobby");
    rig.key(KeyCode::Enter);
    rig.screen();
    let bob = address("bob@one.example");
    let notes = [Note::Verified("12345".repeat(12)), Note::Blocked(true), Note::Petname(Some("Bobby".into()))];
    let wanted = notes.into_iter().map(|note| Effect::Note(bob.clone(), note));
    assert!(rig.asked.iter().skip(1).eq(&wanted.collect::<Vec<_>>()), "{:?}", rig.asked);
    rig.key(KeyCode::Esc);
    rig.miss("[v] mark");
}

#[test]
fn offline_says_when_it_tries_again() {
    let mut rig = Rig::new(72, 8);
    let error = "the homeserver cannot be reached".to_owned();
    rig.model.event(Event::Disconnected { error, retry_in: Duration::from_millis(2500) }, rig.now);
    rig.see("Offline, next attempt in 3 s: the homeserver cannot be reached");
    assert_eq!(rig.model.deadline(), Some(rig.now + Duration::from_secs(1)));
    rig.pass(Duration::from_secs(1));
    rig.see("next attempt in 2 s");
    rig.pass(Duration::from_secs(2));
    rig.see("trying now");
    assert_eq!(rig.model.deadline(), None);
    rig.model.event(Event::Connected { pending: 0 }, rig.now);
    rig.miss("ffline");
    assert_eq!(rig.model.link, Link::Online);
}
