//! Nothing stays behind when xtask is killed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_killed_xtask_takes_postgres_and_its_data_with_it() {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("postgres").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(xtask.stdout.take().unwrap()).lines();
    let url = lines
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once("MISSIVE_TEST_POSTGRES_URL=")?.1.to_owned()))
        .unwrap();
    let port = url.rsplit_once('/').unwrap().0.rsplit_once(':').unwrap().1.to_owned();
    let folder = folder_of(&port).unwrap();

    xtask.kill().unwrap();
    xtask.wait().unwrap();

    let start = Instant::now();
    while folder.exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "{} is still there", folder.display());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The server's socket in its folder carries its port.
fn folder_of(port: &str) -> Option<PathBuf> {
    let socket = format!(".s.PGSQL.{port}");
    let folders = Path::new("/tmp").read_dir().unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.to_string_lossy().contains("missive-postgres-")).find(|path| path.join(&socket).exists())
}
