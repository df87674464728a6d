//! Every command of the terminal client through its front door: real processes, and a real homeserver between them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod process;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use process::{Homeserver, Kind, Person, SERVER_NAME, User, terminal::binary};
use serde_json::{Value, json};

async fn two_people() -> (Homeserver, User, User) {
    let server = Homeserver::start(Kind::Sqlite).await.unwrap();
    let (alice, bob) = (User::register(&server, "alice"), User::register(&server, "bob"));
    (server, alice, bob)
}

fn failed(user: &User, arguments: &[&str]) -> (i32, String) {
    let (exit, code, _) = user.fail(arguments);
    (exit, code)
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["text"].as_str()).collect()
}

/// What `command` says when it has become true.
fn until(user: &User, command: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let said = user.ask(command);
        if is_so(&said) {
            return said;
        }
        assert!(Instant::now() < deadline, "{command:?} goes on saying {said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_find_name_and_forget_each_other() {
    let (server, alice, bob) = two_people().await;
    let carol = User::register(&server, "carol");
    let found = alice.run(&["search", "bo"]);
    let account = json!({"type": "account", "address": bob.address(), "name": "bob", "petname": null});
    assert_eq!(found, [account]);
    assert_eq!(alice.run(&["search", "nobody"]), [] as [Value; 0]);

    let bobs = json!({
        "type": "contact", "address": bob.address(), "petname": "Bob B.", "verified": false, "blocked": false,
    });
    assert_eq!(alice.ask(&["contacts", "add", "bob", "--name", "Bob B."]), bobs);
    assert_eq!(alice.run(&["contacts"]), [bobs]);
    assert_eq!(failed(&alice, &["contacts", "name", "bob", " "]), (2, "invalid_petname".into()));
    assert_eq!(failed(&alice, &["contacts", "add", "alice"]), (5, "own_address".into()));
    assert_eq!(failed(&alice, &["contacts", "verify", "bob"]), (5, "unknown_identity".into()));

    assert_eq!(alice.ask(&["send", "bob b.", "by petname"])["receiver"], bob.address());
    assert_eq!(texts(&alice.run(&["history", "Bob B."])), ["by petname"]);
    assert_eq!(alice.run(&["history", "bob"])[0]["petname"], "Bob B.");
    assert!(alice.see(&["conversations"]).starts_with("Bob B. (bob@one.example)\n"));
    assert_eq!(failed(&alice, &["send", "b o b", "?"]), (2, "invalid_name".into()));
    assert_eq!(failed(&alice, &["history", "bob@"]), (2, "invalid_name".into()));

    // A petname that looks like a name is one, until both are somebody here.
    alice.run(&["contacts", "name", "bob", "Carol"]);
    assert_eq!(alice.ask(&["send", "carol", "to bob"])["receiver"], bob.address());
    assert_eq!(alice.ask(&["send", &carol.address(), "to carol"])["receiver"], carol.address());
    assert_eq!(failed(&alice, &["send", "carol", "to whom?"]), (2, "ambiguous_name".into()));
    alice.run(&["contacts", "name", &carol.address(), "Carol"]);
    assert_eq!(failed(&alice, &["history", "Carol"]), (2, "ambiguous_name".into()));
    assert_eq!(alice.ask(&["contacts", "name", &carol.address()])["petname"], Value::Null);

    assert_eq!(alice.ask(&["contacts", "remove", &bob.address()])["petname"], Value::Null);
    assert_eq!(alice.run(&["contacts"]), [] as [Value; 0]);
    for n in 0..21 {
        Person::register(&server, &format!("many{n}")).await;
    }
    let page = alice.run(&["search", "many"]);
    assert_eq!((page.len(), &page[20]), (21, &json!({"type": "more"})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_safety_number_is_the_same_on_both_sides() {
    let (_server, alice, bob) = two_people().await;
    // The key is not known yet: it is asked for.
    let alices = alice.ask(&["safety-number", "bob"]);
    let bobs = bob.ask(&["safety-number", "alice"]);
    let digits = bobs["digits"].as_str().unwrap();
    assert_eq!((digits.len(), &alices["digits"]), (60, &bobs["digits"]));
    assert_eq!(
        (&alices["changed"], &alices["same"], &alices["verified"]),
        (&json!(false), &Value::Null, &json!(false))
    );

    let shown = alice.see(&["safety-number", "bob"]);
    let groups: String = shown.lines().skip(1).take(3).collect();
    assert_eq!(groups.replace(' ', ""), digits);
    assert!(shown.lines().filter(|line| line.contains('█')).count() > 15, "{shown}");
    assert!(!alice.see(&["safety-number", "bob", "--no-qr"]).contains('█'));

    let (exit, code, said) = alice.fail(&["safety-number", "bob", "--compare", &digits.replace('1', "2")]);
    assert_eq!((exit, code.as_str()), (5, "safety_number_differs"));
    assert_eq!((&said[0]["same"], &said[0]["verified"]), (&json!(false), &json!(false)));
    // The own code is not theirs.
    let own = alices["qr"].as_str().unwrap();
    assert_eq!(failed(&alice, &["safety-number", "bob", "--compare", own]).0, 5);
    for nonsense in ["12345", "nonsense", "AAAA"] {
        assert_eq!(failed(&alice, &["safety-number", "bob", "--compare", nonsense]), (2, "usage".into()));
    }
    let spaced: Vec<String> =
        digits.as_bytes().chunks(5).map(|five| String::from_utf8(five.to_vec()).unwrap()).collect();
    for theirs in [spaced.join(" "), bobs["qr"].as_str().unwrap().to_owned()] {
        let said = alice.ask(&["safety-number", "bob", "--compare", &theirs]);
        assert_eq!((&said["same"], &said["verified"]), (&json!(true), &json!(true)));
        assert!(alice.see(&["contacts"]).contains("bob@one.example [verified]"));
        assert_eq!(alice.ask(&["contacts", "unverify", "bob"])["verified"], false);
    }
    assert_eq!(alice.ask(&["contacts", "verify", "bob"])["verified"], true);
    assert!(alice.see(&["contacts", "verify", "bob"]).contains("missive safety-number bob@one.example"));
    assert_eq!(failed(&alice, &["safety-number", "nobody"]), (5, "unknown_receiver".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_unread_until_somebody_is_shown_it() {
    let (_server, alice, bob) = two_people().await;
    assert_eq!(alice.send(&bob, "while you are away", "sent")["state"], "sent");
    // A send takes in what waits, and shows it to nobody.
    while bob.ask(&["status"])["unread"] == 0 {
        bob.run(&["send", "alice", "something else"]);
    }
    let conversation = bob.ask(&["conversations"]);
    assert_eq!((&conversation["type"], &conversation["peer"]), (&json!("conversation"), &json!(alice.address())));
    assert_eq!((&conversation["unread"], &conversation["identityChanged"]), (&json!(1), &json!(false)));
    assert_eq!(conversation["last"]["type"], "message");
    assert!(bob.see(&["conversations"]).starts_with("alice@one.example [1 unread]\n"));

    let mut listener = bob.listen(&["--count", "1", "--read"]);
    assert_eq!(listener.line("message")["text"], "while you are away");
    listener.succeed();
    assert_eq!(bob.ask(&["status"])["unread"], 0);
    // And a history counts as shown.
    alice.send(&bob, "another", "sent");
    assert_eq!(failed(&bob, &["send", "alice", "x", "--wait", "read", "--timeout", "1"]), (7, "timeout".into()));
    assert_eq!(until(&bob, &["status"], |status| status["unread"] == 1)["unread"], 1);
    assert!(bob.history(&alice).len() >= 3);
    assert_eq!(bob.ask(&["status"])["unread"], 0);
    assert_eq!(texts(&bob.run(&["history", "alice", "--limit", "1"])).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_beside_a_listener_is_handed_over_and_nothing_waits_for_it() {
    let (_server, alice, bob) = two_people().await;
    let mut bobs = bob.listen(&["--count", "2"]);
    bobs.line("drained");
    let mut alices = alice.listen(&[]);
    alices.line("drained");
    let sent = alice.send(&bob, "handed over", "received");
    assert_eq!((&sent["state"], &sent["receiver"]), (&json!("received"), &json!(bob.address())));
    assert_eq!(bobs.line("message")["text"], "handed over");
    assert_eq!(alices.line("status")["id"], sent["id"], "the listener has sent it");
    assert_eq!(alice.ask(&["status"])["openElsewhere"], true);
    assert_eq!(alice.ask(&["accounts"])["openElsewhere"], true);
    assert_eq!(texts(&alice.history(&bob)), ["handed over"]);
    assert_eq!(alice.ask(&["conversations"])["last"]["state"], "received");
    assert_eq!(alice.ask(&["safety-number", "bob"])["digits"].as_str().unwrap().len(), 60);
    assert_eq!(alice.run(&["export", "bob"]).len(), 1);
    assert_eq!(alice.ask(&["identity"])["published"], "ours");

    // From stdin, as a pipe does it.
    let mut command = alice.missive(&["send", "bob", "--wait", "received"]);
    command.stdin(fs::File::open(bob.password()).unwrap());
    assert!(command.output().unwrap().status.success());
    assert_eq!(bobs.line("message")["text"], process::person::PASSWORD);
    bobs.succeed();
    assert_eq!(failed(&alice, &["listen", "--timeout", "1"]), (6, "locked".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_blocked_account_writes_is_put_aside() {
    let (_server, alice, bob) = two_people().await;
    alice.send(&bob, "before", "sent");
    let mut listener = bob.listen(&["--count", "1"]);
    listener.line("message");
    listener.succeed();
    assert_eq!(bob.ask(&["contacts", "block", "alice"])["blocked"], true);
    assert_eq!(failed(&bob, &["send", "alice", "no"]), (5, "blocked".into()));
    let mut listener = bob.listen(&[]);
    listener.line("drained");
    assert_eq!(alice.send(&bob, "while blocked", "received")["state"], "received", "she is told nothing of it");
    drop(listener);
    assert_eq!(texts(&bob.history(&alice)), ["before"]);
    assert_eq!(texts(&bob.run(&["history", "alice", "--hidden"])), ["while blocked"]);
    assert!(bob.see(&["conversations"]).starts_with("alice@one.example [blocked]\n"));
    assert_eq!(bob.ask(&["contacts", "unblock", "alice"])["blocked"], false);
    bob.run(&["send", "alice", "yes"]);
    assert_eq!(texts(&bob.run(&["history", "alice", "--hidden"])), ["while blocked"], "it stays aside");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_tells_a_log_in_that_is_over_from_a_server_that_is_down() {
    let (mut server, alice, bob) = two_people().await;
    let status = alice.ask(&["status"]);
    assert!(status["answerMillis"].is_u64(), "{status}");
    let keys = json!({"preKeys": 100, "pqPreKeys": 100});
    for (key, value) in [
        ("address", json!(alice.address())),
        ("reachable", json!(true)),
        ("loggedIn", json!(true)),
        ("published", json!("ours")),
        ("oneTimeKeys", keys.clone()),
        ("outgoing", json!(0)),
        ("unread", json!(0)),
        ("openElsewhere", json!(false)),
    ] {
        assert_eq!(status[key], value, "{key}");
    }

    let said = alice.ask(&["logout"]);
    assert_eq!(said, json!({"address": alice.address(), "loggedIn": false, "everywhere": false}));
    let (exit, code, said) = alice.fail(&["status"]);
    assert_eq!((exit, code.as_str()), (3, "session_ended"));
    assert_eq!((&said[0]["reachable"], &said[0]["loggedIn"]), (&json!(true), &json!(false)));
    assert_eq!(alice.ask(&["accounts"])["loggedIn"], false);
    for command in [&["send", "bob", "x"][..], &["listen", "--timeout", "1"], &["search", "b"], &["identity"]] {
        assert_eq!(failed(&alice, command), (3, "session_ended".into()), "{command:?}");
    }
    alice.ask(&["logout"]);
    assert_eq!(alice.ask(&["login", "--password-file", &alice.password()])["address"], alice.address());
    let identity = alice.ask(&["identity"]);
    assert_eq!((&identity["published"], &identity["oneTimeKeys"]), (&json!("ours"), &keys), "the keys have stayed");
    assert_eq!(identity["fingerprint"].as_str().unwrap().len(), 64);

    // Another computer's log-in ends with --everywhere, and what it has open with it.
    let mut listener = bob.listen(&[]);
    listener.line("drained");
    assert_eq!(bob.ask(&["logout", "--everywhere"])["everywhere"], true);
    assert_eq!(listener.exit_code(), 3);

    server.stop();
    let (exit, code, said) = alice.fail(&["status"]);
    assert_eq!((exit, code.as_str()), (4, "unreachable"));
    let said = &said[0];
    assert_eq!(
        (&said["reachable"], &said["answerMillis"], &said["loggedIn"]),
        (&json!(false), &Value::Null, &json!(true))
    );
    assert_eq!((&said["published"], &said["oneTimeKeys"]), (&json!("unknown"), &Value::Null));
    let seen = alice.plain(&["status"]).output().unwrap();
    assert!(String::from_utf8(seen.stdout).unwrap().contains("cannot be reached"));
    assert_eq!(failed(&alice, &["logout"]), (4, "unreachable".into()));
    assert_eq!(failed(&alice, &["search", "b"]), (4, "unreachable".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_whole_private_and_oldest_first() {
    let (server, alice, bob) = two_people().await;
    let carol = User::register(&server, "carol");
    let hostile = "a\u{1b}[31mb\u{202e}c\nd";
    // More than a page, and somebody else's among them.
    let mut expected: Vec<String> = (0..110).map(|n| format!("message {n}")).collect();
    expected[7] = hostile.into();
    for (n, text) in expected.iter().enumerate() {
        bob.run(&["send", "alice", text]);
        if n % 50 == 0 {
            carol.run(&["send", "alice", text]);
        }
    }
    alice.listen(&["--count", "113"]).rest();

    let lines = alice.run(&["export", "bob"]);
    assert_eq!(texts(&lines), expected);
    assert_eq!(lines, alice.run(&["history", "bob"]), "the same of each as the history says");

    let file = alice.folder.join("export.jsonl");
    let path = file.to_str().unwrap();
    assert_eq!(alice.ask(&["export", "--all", "--output", path]), json!({"messages": 113, "file": path}));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&file).unwrap();
    let senders: Vec<Value> =
        written.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["sender"].clone()).collect();
    assert_eq!((senders.len(), &senders[0], &senders[112]), (113, &json!(bob.address()), &json!(carol.address())));

    assert_eq!(failed(&alice, &["export", "bob", "--output", path]), (2, "usage".into()));
    assert_eq!(fs::read_to_string(&file).unwrap(), written, "it is as it was");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    alice.run(&["export", "bob", "--format", "text", "--output", path, "--force"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written.lines().count(), 110);
    assert!(written.lines().nth(7).unwrap().ends_with(" bob@one.example: a\u{fffd}[31mb\u{fffd}c⏎d"), "{written}");
    assert_eq!(failed(&alice, &["export", "bob", "--output", "/nonexistent/file"]), (1, "io".into()));
    let left = fs::read_dir(&alice.folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(left, 4, "the password, the key, the lock and the export");
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_come_from_here_only() {
    let (_server, alice, bob) = two_people().await;
    alice.send(&bob, "a\u{1b}[31mb", "sent");
    let mut listener = bob.listen(&["--count", "1"]);
    listener.line("message");
    listener.succeed();
    let seen = |variable: &str| {
        let output = bob.plain(&["history", "alice"]).env(variable, "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let coloured = seen("CLICOLOR_FORCE");
    assert!(coloured.contains("\u{1b}[1malice@one.example\u{1b}[0m: a\u{fffd}[31mb\n"), "{coloured:?}");
    assert!(!seen("NO_COLOR").contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_seen_compared_and_accepted() {
    let (_server, alice, bob) = two_people().await;
    let mut listener = alice.listen(&["--count", "1"]);
    bob.send(&alice, "hello", "received");
    listener.line("message");
    listener.succeed();
    let before = alice.ask(&["identity"]);
    let digits = alice.ask(&["safety-number", "bob"])["digits"].clone();
    bob.run(&["safety-number", "alice", "--compare", digits.as_str().unwrap()]);

    let start_over = ["identity", "--start-over", "--password-file", &alice.password()];
    assert_eq!(failed(&alice, &start_over), (2, "usage".into()), "nobody is there to say yes");
    let after = alice.ask(&[&start_over[..], &["--yes"]].concat());
    assert_eq!(after["published"], "ours");
    assert_ne!(after["fingerprint"], before["fingerprint"]);

    // What she writes is marked; what he writes waits for him to accept her key.
    let mut listener = bob.listen(&["--count", "1"]);
    listener.line("drained");
    alice.send(&bob, "new phone", "received");
    let message = listener.line("message");
    assert_eq!((&message["text"], &message["identityChanged"]), (&json!("new phone"), &json!(true)));
    listener.succeed();
    assert_eq!(failed(&bob, &["send", "alice", "who is it?"]), (5, "identity_changed".into()));
    assert_eq!(bob.ask(&["conversations"])["identityChanged"], true);
    assert_eq!(bob.ask(&["contacts"])["verified"], false, "that was another key");
    assert!(bob.see(&["safety-number", "alice"]).contains("--accept"));

    let bobs = bob.ask(&["safety-number", "alice"]);
    let alices = alice.ask(&["safety-number", "bob"]);
    assert_eq!((&bobs["changed"], &bobs["digits"]), (&json!(true), &alices["digits"]));
    assert_ne!(bobs["digits"], digits);
    let wrong = digits.as_str().unwrap();
    let (exit, _, said) = bob.fail(&["safety-number", "alice", "--compare", wrong, "--accept"]);
    assert_eq!((exit, &said[0]["accepted"], &said[0]["changed"]), (5, &json!(false), &json!(true)));
    let right = alices["digits"].as_str().unwrap();
    let said = bob.ask(&["safety-number", "alice", "--compare", right, "--accept"]);
    assert_eq!((&said["accepted"], &said["verified"], &said["changed"]), (&json!(true), &json!(true), &json!(false)));
    assert_eq!(bob.send(&alice, "it is you", "sent")["state"], "sent");
    let mut listener = alice.listen(&["--count", "1"]);
    assert_eq!(listener.line("message")["text"], "it is you");
    listener.succeed();
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_those_that_can_be_opened() {
    let (server, alice, _bob) = two_people().await;
    let other = alice.folder.join("passphrase");
    fs::write(&other, "correct horse battery staple\n").unwrap();
    let mut register = Command::new(binary("missive"));
    register.arg("--home").arg(&alice.folder).arg("--passphrase-file").arg(&other);
    register.args(["register", "dora", "--server", &server.url, "--password-file", &alice.password()]);
    assert!(register.stdin(Stdio::null()).output().unwrap().status.success());
    let account = json!({
        "type": "account", "address": alice.address(), "server": format!("{}/", server.url), "loggedIn": true,
        "openElsewhere": false,
    });
    assert_eq!(alice.run(&["accounts"]), [account, json!({"type": "closed", "with": "passphrase", "count": 1})]);
    let wrong = alice.folder.join("another.key");
    fs::copy(server.directory.path().join("master.key"), &wrong).unwrap();
    let mut status = alice.missive(&["status"]);
    status.args(["--account", &format!("dora@{SERVER_NAME}")]);
    let output = status.output().unwrap();
    assert_eq!(output.status.code(), Some(6), "another key than hers opens it");
    let mut status = Command::new(binary("missive"));
    status.arg("--home").arg(&alice.folder).arg("--key-file").arg(&wrong).args(["status", "--json"]);
    let output = status.stdin(Stdio::null()).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &said["code"]), (Some(6), &json!("wrong_key")), "{said}");
}

/// What nobody can have seen is neither told as read nor forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_a_reader_tells_nothing_as_read() {
    let (_server, alice, bob) = two_people().await;
    let mut listener = bob.missive(&["listen", "--read", "--timeout", "60"]);
    let mut listener = listener.stdout(Stdio::piped()).spawn().unwrap();
    drop(listener.stdout.take());
    assert_eq!(alice.send(&bob, "is anybody there?", "received")["state"], "received");
    // It ends by itself: there is nobody to show anything to.
    listener.wait().unwrap();
    let shown = bob.listen_for("2", &["--count", "1"]);
    assert!(shown.iter().any(|line| line["text"] == "is anybody there?"), "{shown:?}");
    assert_eq!(alice.history(&bob)[0]["state"], "received");
}

/// Whatever ends the connection of a `send` that waits, the message is kept, and it is said so.
#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_loses_its_homeserver_says_that_the_message_is_kept() {
    let (mut server, alice, bob) = two_people().await;
    let mut waiting = alice.send_command(&bob, "hold on", "read");
    let waiting = waiting.stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !alice.history(&bob).iter().any(|line| line["state"] == "sent") {
        assert!(Instant::now() < deadline, "it is never sent");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.stop();
    let output = waiting.wait_with_output().unwrap();
    let failure: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{failure}");
    assert!(failure["error"].as_str().unwrap().contains("kept"), "{failure}");
    server.restart_there();
    bob.listen(&["--count", "1", "--read"]).succeed();
}
