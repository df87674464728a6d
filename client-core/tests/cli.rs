//! The binary `missive` as a shell sees it, where no homeserver is needed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

fn missive(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_missive"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MISSIVE_")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--home").arg(home).stdin(Stdio::null()).output().unwrap()
}

/// What it prints; it must succeed.
fn text(arguments: &[&str]) -> String {
    let output = missive(Path::new("."), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code, and the stable word of the failure.
fn failure(output: &Output) -> (i32, String) {
    let value: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(value["error"].as_str().is_some_and(|error| !error.is_empty()));
    (output.status.code().unwrap(), value["code"].as_str().unwrap().to_owned())
}

fn home() -> (TempDir, String, String) {
    let home = tempfile::tempdir().unwrap();
    let (password, key) = (home.path().join("password"), home.path().join("key"));
    fs::write(&password, "correct horse battery\n").unwrap();
    (home, password.display().to_string(), key.display().to_string())
}

/// The commands that a `--help` lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn help_says_what_it_is_and_how_it_ends() {
    let help = text(&["--help"]);
    assert!(help.starts_with("Missive in the terminal:"), "{help}");
    for part in ["Examples:", "Exit codes:", "--json", "NO_COLOR"] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
    for code in 0..=7 {
        assert!(help.contains(&format!("\n  {code}  ")), "exit code {code} is missing:\n{help}");
    }
}

#[test]
fn every_command_teaches_by_examples() {
    let all = commands(&text(&["--help"]));
    let wanted = "register login logout identity search contacts send listen conversations history safety-number status \
                  accounts export completions man chat";
    for name in wanted.split_whitespace() {
        assert!(all.iter().any(|one| one == name), "{name} is missing: {all:?}");
    }
    for name in &all {
        let help = text(&[name, "--help"]);
        assert!(help.contains("Examples:\n"), "{name}:\n{help}");
        assert!(help.contains(&format!("missive {name}")), "{name}:\n{help}");
    }
    for name in commands(&text(&["contacts", "--help"])) {
        assert!(text(&["contacts", &name, "--help"]).contains(&format!("missive contacts {name}")), "{name}");
    }
}

#[test]
fn failures_have_their_exit_codes() {
    let (home, password, key) = home();
    let run = |arguments: &[&str]| failure(&missive(home.path(), &[arguments, &["--json"]].concat()));
    assert_eq!(run(&["history", "bob"]), (2, "usage".into()));
    let register = |server: &str, password: &str| {
        run(&["register", "alice", "--server", server, "--password-file", password, "--key-file", &key])
    };
    assert_eq!(register("ftp://one.example", &password), (2, "invalid_server".into()));
    assert_eq!(register("one.example", &password), (2, "invalid_server".into()));
    assert_eq!(register("http://127.0.0.1:1", &password), (4, "unreachable".into()));
    assert_eq!(register("http://127.0.0.1:1", "/nonexistent"), (1, "io".into()));
    let account = ["--account", "alice@one.example", "--key-file", &key];
    assert_eq!(run(&[&["history", "bob"], &account[..]].concat()), (6, "storage".into()));
    // Without an account, nobody is asked for a passphrase that would open it.
    for command in [&["status"][..], &["conversations"], &["contacts"], &["identity"], &["logout"], &["search", "b"]] {
        assert_eq!(run(command), (2, "usage".into()), "{command:?}");
        assert_eq!(run(&[command, &account[..2]].concat()), (6, "storage".into()), "{command:?}");
    }
    assert!(missive(home.path(), &["accounts"]).status.success(), "none is an answer");
}

#[test]
fn nonsense_for_a_name_is_found_out_before_anything_is_opened() {
    let (home, password, key) = home();
    let run = |arguments: &[&str]| {
        let account = ["--account", "alice@one.example", "--key-file", &key, "--json"];
        failure(&missive(home.path(), &[arguments, &account[..]].concat()))
    };
    for command in [
        &["history"][..],
        &["send"],
        &["export"],
        &["safety-number"],
        &["contacts", "add"],
        &["contacts", "block"],
        &["contacts", "name"],
    ] {
        for nonsense in ["b o b", "", "bob@", "@two.example", "bob@two example", "b\u{7}b"] {
            assert_eq!(run(&[command, &[nonsense]].concat()), (2, "invalid_name".into()), "{command:?} {nonsense:?}");
        }
    }
    let register = ["register", "no name", "--server", "http://127.0.0.1:1", "--password-file", &password];
    assert_eq!(failure(&missive(home.path(), &[&register[..], &["--json"]].concat())), (2, "invalid_name".into()));
    assert!(!Path::new(&key).exists(), "nothing was made");
}

#[test]
fn a_wrong_command_line_is_code_two() {
    for arguments in [
        &["send"][..],
        &["--no-such-flag"],
        &["history", "bob", "--account", "nobody"],
        &["nonsense"],
        &["export"],
        &["export", "bob", "--all"],
        &["export", "bob", "--force"],
        &["identity", "--yes"],
        &["completions", "tcsh"],
    ] {
        assert_eq!(missive(Path::new("."), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn what_is_missing_is_asked_for_only_where_somebody_can_answer() {
    let (home, ..) = home();
    for arguments in [&["register"][..], &["register", "alice"], &["login", "alice"]] {
        let output = missive(home.path(), &[arguments, &["--json", "--key-file", "/nonexistent/key"]].concat());
        assert_eq!(failure(&output), (2, "usage".into()), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--server"), "{arguments:?}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(text(&["completions", shell]).contains("safety-number"), "{shell}");
    }
    let page = text(&["man"]);
    assert!(page.contains(".TH missive 1") && page.contains("Exit codes:"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    text(&["man", "--output", pages.to_str().unwrap()]);
    for name in commands(&text(&["--help"])) {
        let page = fs::read_to_string(pages.join(format!("missive-{name}.1"))).unwrap();
        assert!(page.contains("Examples:"), "{name}");
    }
    assert!(pages.join("missive.1").exists() && pages.join("missive-contacts-block.1").exists());
}
