//! Changed identity keys, and what is noted of contacts.

use crate::{
    people::{AtTerminal as _, homeserver},
    process::{User, terminal::succeeded},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_identity_key_is_accepted_before_anything_is_sent_under_it() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    a.keys("to the old key\r");
    a.see("me: to the old key  ✓");
    bob.receive(1);
    a.see("me: to the old key  ✓✓");
    succeeded(&bob.login_command(&server, &["--start-over"]).output().unwrap());
    a.keys("to the new key\r");
    // Encrypted for the lost device: bob's new one says that it cannot read it.
    let mut b = bob.chat(&["alice"]);
    a.see("[!] The identity key has changed");
    a.see("Safety number, the same on both sides:");
    a.keys("v");
    a.see("[a] accept the new key of bob");
    a.keys("a");
    a.see("is accepted");
    b.see("alice: to the new key");
    a.keys("\u{1b}");
    a.see("me: to the new key  ✓✓ read");
    a.miss("[!]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_a_changed_key_is_marked() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    bob.send(&alice, "from the old key", "sent");
    let mut a = alice.chat(&["bob"]);
    a.see("bob: from the old key");
    succeeded(&bob.login_command(&server, &["--start-over"]).output().unwrap());
    bob.send(&alice, "from the new key", "sent");
    a.see("bob [!] [new identity key]: from the new key");
    a.see("bob@one.example [!] new identity key: Ctrl-O");
    a.keys("who are you?\r");
    a.see("[a] accept the new key of bob");
    a.keys("\u{1b}");
    a.see("… waits until you accept the new identity key: Ctrl-O");
    a.keys("\u{f}");
    a.see("[a] accept the new key of bob");
    a.keys("a\u{1b}");
    a.see("me: who are you?  ✓");
    a.miss("new identity key: Ctrl-O");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_named_verified_and_blocked() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    bob.send(&alice, "hello", "sent");
    let mut a = alice.chat(&["bob"]);
    a.see("bob: hello");
    a.keys("\u{f}");
    a.see("[v] mark as verified");
    a.see("Safety number, the same on both sides:");
    a.keys("v");
    a.see("[v] verified: take the mark away");
    a.keys("nBobby\r");
    a.see("[n] petname: Bobby");
    a.keys("b");
    a.see("[b] blocked: let messages in again");
    a.keys("\u{1b}");
    a.see("bob@one.example Bobby [v] [x] verified blocked");
    a.see("Bobby: hello");
    bob.send(&alice, "are you there?", "sent");
    a.keys("anyone?\r");
    a.see("✗ not sent: bob@one.example is blocked");
    assert!(!a.text().contains("are you there?"));
}
