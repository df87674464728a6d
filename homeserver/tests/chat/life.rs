//! A connection that goes and comes back; ends of every kind.

use rustix::process::Signal;

use crate::{
    people::{AtTerminal as _, SIZE, homeserver},
    process::{User, terminal::administer},
    terminal::Terminal,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_while_the_homeserver_is_away_arrives_when_it_is_back() {
    let mut server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    a.keys("before\r");
    a.see("me: before  ✓");
    server.stop();
    a.see("Offline, ");
    a.see("next attempt in ");
    a.keys("meanwhile\r");
    a.see("me: meanwhile  …");
    a.keys("half typed");
    server.restart_there();
    a.see("me: meanwhile  ✓");
    a.see("> half typed");
    a.miss("Offline, ");
    assert_eq!(bob.receive(2), ["before", "meanwhile"]);
    a.see("me: meanwhile  ✓✓");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_to_someone_waits_for_the_homeserver_too() {
    let mut server = homeserver().await;
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    server.stop();
    a.see("Offline, ");
    a.keys("first ever\r");
    a.see("… not encrypted yet");
    a.keys("\u{3}");
    a.see("press Ctrl-C again to leave");
    server.restart_there();
    a.see("me: first ever  ✓");
    bob.receive(1);
    a.see("me: first ever  ✓✓");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_account_is_told_and_the_terminal_is_as_before() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let mut a = alice.chat(&[]);
    administer(&server, &["account", "revoke", "alice", "--yes"]);
    assert_eq!(a.ended_and_restored(), 3);
    assert!(a.text().starts_with("missive: the session was ended: log in again"), "{}", a.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_device_elsewhere_is_told() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let copy = User { folder: server.directory.path().join("copy"), ..alice.clone() };
    let copied = std::process::Command::new("cp").arg("-r").args([&alice.folder, &copy.folder]).status().unwrap();
    assert!(copied.success());
    let mut a = alice.chat(&[]);
    copy.listen_for("1", &[]);
    assert_eq!(a.ended_and_restored(), 5);
    assert!(a.text().contains("connected elsewhere"), "{}", a.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_storage_ends_it_and_what_was_typed_is_not_lost() {
    let server = homeserver().await;
    let (alice, _) = (User::register(&server, "alice"), User::register(&server, "bob"));
    let mut a = alice.chat(&["bob"]);
    a.keys("unlucky");
    a.see("> unlucky");
    let files = |home: &std::path::Path| std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    let account = files(&alice.folder).find(|path| path.is_dir()).unwrap();
    for path in
        files(&account).filter(|path| path.extension().is_some_and(|end| end.to_string_lossy().starts_with("db")))
    {
        std::fs::write(path, vec![0x5a; 200_000]).unwrap();
    }
    // Whether it notices before or after that.
    a.keys("\r");
    assert_eq!(a.ended_and_restored(), 6);
    assert!(a.text().contains("not sent to bob@one.example: unlucky"), "{}", a.text());
    assert!(a.text().contains("missive: "), "{}", a.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_on_a_terminal_that_is_as_before() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let mut command = alice.command(&["chat"]);
    command.env("MISSIVE_FAULT", "draw");
    let mut a = Terminal::run(command, SIZE);
    assert_eq!(a.ended_and_restored(), 101);
    assert!(a.text().starts_with("missive: panicked at") && a.text().contains("a test asks"), "{}", a.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_and_keys_leave_the_terminal_as_it_was() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut a = alice.chat(&["bob"]);
        a.keys("typed");
        a.see("> typed");
        a.signal(signal);
        assert_eq!(a.ended_and_restored(), 0, "{signal:?}");
        assert!(a.text().contains("not sent to bob@one.example: typed"), "{signal:?}: {}", a.text());
    }
    for keys in ["\u{3}", "\u{11}", "\u{6}\u{3}"] {
        let mut a = alice.chat(&[]);
        a.keys(keys);
        assert_eq!(a.ended_and_restored(), 0, "{keys:?}");
    }
}
