//! Every `missivectl` command in the Dockerfile and the compose files is one the binary has.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path, process::Command};

const FILES: [&str; 3] = ["Dockerfile", "docker-compose.dev.yml", "docker-compose.prod.yml"];

#[test]
fn every_missivectl_command_is_understood() {
    let commands: Vec<_> = FILES.iter().flat_map(|file| commands(file)).collect();
    assert!(commands.contains(&vec!["migrate".to_owned(), "run".to_owned()]));
    assert!(commands.iter().any(|command| command[0] == "health"));
    for command in commands {
        // Everything before --help is parsed, nothing is run.
        let output = Command::new(env!("CARGO_BIN_EXE_missivectl")).args(&command).arg("--help").output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && help.contains("Usage"), "missivectl {command:?}: {errors}");
    }
}

/// The arguments of each `[…, "missivectl", …]`; the files write such a list on one line.
fn commands(file: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| line.contains("\"missivectl\""))
        .map(|line| {
            let list = &line[line.find('[').unwrap()..=line.rfind(']').unwrap()];
            let words: Vec<String> = serde_json::from_str(list).unwrap();
            words.into_iter().skip_while(|word| word != "missivectl").skip(1).collect()
        })
        .collect()
}
