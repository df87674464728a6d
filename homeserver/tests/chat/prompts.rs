//! What the ordinary commands ask at a terminal.

use portable_pty::CommandBuilder;

use crate::{
    people::{AtTerminal as _, SIZE, homeserver, in_terminal},
    process::{Homeserver, User, person::PASSWORD},
    terminal::Terminal,
};

/// The client with a home of its own, and nothing that opens it.
fn missive(server: &Homeserver, arguments: &[&str]) -> CommandBuilder {
    let mut command = in_terminal("missive");
    command.arg("--home");
    command.arg(server.directory.path().join("asked"));
    command.args(arguments);
    command
}

/// Answers prompts in turn.
#[track_caller]
fn answer(terminal: &mut Terminal, answers: &[(&str, &str)]) {
    for (prompt, answer) in answers {
        let asked = |line: &str| line.starts_with(prompt) && line.trim_end().ends_with(':');
        terminal.wait(prompt, |screen| screen.contents().trim_end().lines().next_back().is_some_and(asked));
        terminal.wait_until_hidden();
        terminal.keys(&format!("{answer}\r"));
    }
}

const NEW_PASSPHRASE: &str = "New passphrase for the accounts on this computer:";
const PASSPHRASE: &str = "Passphrase of this computer:";
const PASSWORD_OF: &str = "Password of alice";
const AGAIN: &str = "The same again:";

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_passphrases_are_asked_for_and_never_shown() {
    let server = homeserver().await;
    let register = ["register", "alice", "--server", &server.url];
    let run = |arguments: &[&str]| Terminal::run(missive(&server, arguments), SIZE);

    let mut t = run(&register);
    answer(&mut t, &[(NEW_PASSPHRASE, "open sesame"), (AGAIN, "open sesam")]);
    assert_eq!(t.ended_and_restored(), 2);
    assert!(t.text().contains("missive: the two are not the same"), "{}", t.text());

    let mut t = run(&register);
    answer(&mut t, &[(NEW_PASSPHRASE, "open sesame"), (AGAIN, "open sesame")]);
    answer(&mut t, &[(PASSWORD_OF, PASSWORD), (AGAIN, PASSWORD)]);
    t.see("Registered as alice@one.example");
    assert_eq!(t.ended_and_restored(), 0);
    for secret in ["sesame", PASSWORD] {
        assert!(!String::from_utf8_lossy(&t.raw).contains(secret));
    }

    let mut t = run(&["login"]);
    answer(&mut t, &[(PASSPHRASE, "open sesame"), (PASSWORD_OF, "wrong")]);
    assert_eq!(t.ended_and_restored(), 3);
    assert!(t.text().contains("missive: the name or the password is wrong"), "{}", t.text());

    let mut t = run(&["login"]);
    answer(&mut t, &[(PASSPHRASE, "open sesam")]);
    assert_eq!(t.ended_and_restored(), 6, "{}", t.text());

    let mut t = run(&["chat"]);
    answer(&mut t, &[(PASSPHRASE, "open sesame")]);
    t.see("online");
    t.keys("\u{3}");
    assert_eq!(t.ended_and_restored(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_cannot_be_written_to() {
    let server = homeserver().await;
    let alice = User::register(&server, "alice");
    let mut t = Terminal::run(alice.command(&["send", "nobody", "hello"]), SIZE);
    assert_eq!(t.ended_and_restored(), 5);
    assert!(t.text().contains("missive: nobody@one.example cannot be written to"), "{}", t.text());
    let mut t = Terminal::run(alice.command(&["send", "no body", "hello"]), SIZE);
    assert_eq!(t.ended_and_restored(), 2);
}
