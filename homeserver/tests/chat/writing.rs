//! Writing to each other.

use crate::{
    people::{AtTerminal as _, homeserver},
    process::User,
};

#[tokio::test(flavor = "multi_thread")]
async fn ticks_rise_from_sent_to_read() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    a.see("Nothing was said yet");
    a.keys("Hello, Bob\r");
    a.see("me: Hello, Bob  ✓");
    let mut b = bob.chat(&[]);
    b.see("alice (1)");
    a.see("me: Hello, Bob  ✓✓");
    assert!(!a.text().contains("read"), "it is not on bob's screen");
    b.keys("\r");
    b.see("alice: Hello, Bob");
    a.see("me: Hello, Bob  ✓✓ read");
    b.miss("alice (1)");
    b.keys("Hello, Alice\r");
    a.see("bob: Hello, Alice");
    b.see("me: Hello, Alice  ✓✓ read");
    a.keys("\u{3}");
    assert_eq!(a.ended_and_restored(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_while_one_types_disturbs_nothing() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    a.keys("half a sentense");
    a.see("> half a sentense");
    a.keys("\u{1b}[D");
    let column = a.find("> half a sentense").1 + 2 + 14;
    a.wait("the cursor on the last letter", |screen| screen.cursor_position().1 == column);
    let before = a.screen().cursor_position();
    for text in ["one", "two", "three"] {
        bob.send(&alice, text, "sent");
        a.see(&format!("bob: {text}"));
        a.see("> half a sentense");
        a.wait("the cursor where it was", |screen| screen.cursor_position() == before);
    }
    a.keys("\u{7f}c\r");
    a.see("me: half a sentence  ✓");
}

#[tokio::test(flavor = "multi_thread")]
async fn pasted_lines_are_one_message() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    a.paste("first\r\nsecond\rthird");
    a.see("> first⏎second⏎third");
    // Alt-Enter, then Ctrl-J.
    a.keys("\u{1b}\rfourth\nfifth");
    a.see("> first⏎second⏎third⏎fourth⏎fifth");
    a.keys("\r");
    a.see("fifth  ✓");
    assert_eq!(bob.receive(1), ["first\nsecond\nthird\nfourth\nfifth"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_characters_stand_in_their_columns() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    bob.send(&alice, "你好|🎉|e\u{301}|end", "sent");
    let mut a = alice.chat(&["bob"]);
    a.see("|end");
    let (row, column) = a.find("你好|");
    let cell = |at: u16| a.screen().cell(row, column + at).unwrap();
    let cells = [(0, "你", true), (2, "好", true), (4, "|", false), (5, "🎉", true), (7, "|", false)];
    for (at, contents, wide) in cells.into_iter().chain([(8, "e\u{301}", false), (9, "|", false)]) {
        assert_eq!((cell(at).contents(), cell(at).is_wide()), (contents, wide), "column {at}");
    }
    a.keys("写信🎉");
    a.see("> 写信🎉");
    let (row, column) = a.find("> 写信🎉");
    a.wait("the cursor behind it", |screen| screen.cursor_position() == (row, column + 2 + 6));
    a.keys("\u{7f}\u{1b}[D好");
    a.see("> 写好信");
    a.wait("the cursor in it", |screen| screen.cursor_position() == (row, column + 2 + 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_conversation_scrolls_back() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let (mut a, mut b) = (alice.chat(&["bob"]), bob.chat(&["alice"]));
    // More than two pages of the history, typed faster than a person would.
    let count = 230_u32;
    for number in 0..count {
        b.keys(&format!("message {number}.\r"));
    }
    a.see("bob: message 229.");
    b.see("me: message 229.  ✓✓ read");
    a.keys("half typed");
    let mut number = count - 1;
    while number > 0 {
        a.keys("\u{1b}[5~");
        // A page has a line of the one before.
        number = number.saturating_sub(19);
        a.see(&format!("bob: message {number}."));
    }
    a.keys("\u{1b}[5~\u{1b}[5~");
    a.see("more below: Ctrl-G");
    b.keys("while you read\r");
    b.see("me: while you read  ✓✓");
    b.keys("again\r");
    b.see("me: again  ✓✓");
    a.see("bob: message 0.");
    assert!(!b.text().contains("me: again  ✓✓ read"), "it is not on the screen");
    a.keys("\u{7}");
    a.see("bob: again");
    a.see("> half typed");
    b.see("me: again  ✓✓ read");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_only_text() {
    let server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    let hostile = "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\u{9b}31md\u{202e}e\u{1b}[?1049lf\u{1b}cg\rh";
    bob.send(&alice, hostile, "sent");
    // The emulator leaves out the signs that stand for control characters.
    a.see("bob: a[2Jb]0;titlec31mde[?1049lfcgh");
    a.see(" Missive  alice@one.example");
    assert!(a.screen().alternate_screen(), "it stays on its screen");
    let raw = String::from_utf8_lossy(&a.raw).into_owned();
    assert!(
        raw.contains("a\u{fffd}[2Jb\u{fffd}]0;title\u{fffd}c\u{fffd}31md\u{fffd}e\u{fffd}[?1049lf\u{fffd}cg\u{fffd}h")
    );
    for sequence in ["\u{1b}[2Jb", "\u{1b}]0", "\u{7}", "\u{9b}", "\u{202e}", "\u{1b}c"] {
        assert!(!raw.contains(sequence), "{sequence:?} was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn someone_is_found_while_one_types() {
    let server = homeserver().await;
    let (alice, _) = (User::register(&server, "alice"), User::register(&server, "boris"));
    let bob = User::register(&server, "bob");
    let mut a = alice.chat(&[]);
    a.see("No conversation yet");
    a.keys("bo");
    a.see("Name: bo");
    a.see("boris@one.example");
    a.see("bob@one.example");
    a.keys("b");
    a.miss("boris@one.example");
    a.see("> bob@one.example");
    a.keys("\r");
    a.see("Nothing was said yet");
    a.keys("found you\r");
    a.see("me: found you  ✓");
    assert_eq!(bob.receive(1), ["found you"]);
    // An exact address is opened at once; whoever is not there cannot be written to.
    a.keys("\u{6}nobody@one.example\r");
    a.see("Nothing was said yet");
    a.keys("hello?\r");
    a.see("✗ not sent: nobody@one.example cannot be written to");
    a.keys("\u{12}");
    a.see("> hello?");
}
