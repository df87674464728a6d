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

#[test]
fn help_says_what_it_is_and_how_it_ends() {
    let output = missive(Path::new("."), &["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.starts_with("Missive in the terminal:"), "{help}");
    for part in ["register", "login", "send", "listen", "history", "Examples:", "Exit codes:", "--json"] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
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
    assert_eq!(register("http://127.0.0.1:1", &password), (4, "unreachable".into()));
    assert_eq!(register("http://127.0.0.1:1", "/nonexistent"), (1, "io".into()));
    let account = ["--account", "alice@one.example", "--key-file", &key];
    assert_eq!(run(&[&["history", "bob"], &account[..]].concat()), (6, "storage".into()));
}

#[test]
fn a_wrong_command_line_is_code_two() {
    for arguments in [&["send"][..], &["--no-such-flag"], &["history", "bob", "--account", "nobody"], &["nonsense"]] {
        assert_eq!(missive(Path::new("."), arguments).status.code(), Some(2), "{arguments:?}");
    }
}
