//! The help of every command, which is its documentation.

use crate::common::missivectl;

const SETTINGS: &str = "Settings, the same as the homeserver's:";

#[tokio::test]
async fn the_help_is_the_documentation() {
    insta::assert_snapshot!("help", help(&[]).await);
}

#[tokio::test]
async fn every_command_has_help_with_examples() {
    let commands = [
        "account",
        "account list",
        "account show",
        "account revoke",
        "account restore",
        "token",
        "token purge",
        "federation",
        "federation key",
        "federation key list",
        "federation key rotate",
        "federation key revoke",
        "federation recovery-key",
        "federation recovery-key create",
        "federation peer",
        "federation peer list",
        "federation peer show",
        "federation peer accept",
        "federation peer check",
        "federation peer forget",
        "migrate",
        "migrate status",
        "migrate run",
        "health",
    ];
    let whole = help(&[]).await;
    let settings = settings_of(&whole);
    for command in commands {
        let text = help(&command.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(settings_of(&text), settings, "{command}");
        insta::assert_snapshot!(command.replace(' ', "_"), text.replace(settings, "  …\n\n"));
    }
}

async fn help(command: &[&str]) -> String {
    let done = missivectl(&[command, &["--help"]].concat(), &[]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    done.out
}

/// What stands between the settings' heading and the examples; every command must have both.
fn settings_of(help: &str) -> &str {
    let (_, from) = help.split_once(SETTINGS).unwrap();
    let (settings, _) = from.split_once("Examples:\n").unwrap();
    settings.trim_start_matches('\n')
}
