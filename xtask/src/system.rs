//! Programs that come from the system's packages, and the user that runs them.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{steps, workspace};

/// The programs of a PostgreSQL server that we call.
const POSTGRES: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Whether we are root, whom PostgreSQL refuses to serve and who needs no `sudo`.
pub(crate) fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self").context("asking who we are")?.uid() == 0)
}

/// A system user, by its numbers.
pub(crate) struct User {
    /// The user's number.
    pub(crate) uid: u32,
    /// The number of its primary group.
    pub(crate) gid: u32,
}

impl User {
    /// Looks the user up wherever the system keeps its users.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(Self { uid: id("-u", name)?, gid: id("-g", name)? })
    }
}

fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The folder of PostgreSQL's server programs, on the `PATH` or where Debian and Ubuntu put them.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    let complete = |dir: &PathBuf| POSTGRES.iter().all(|name| dir.join(name).is_file());
    let dir = search_path().into_iter().chain(debian_postgres()).find(complete)?;
    // Behind a link of the server is a folder that has the other programs of that version too.
    let server = fs::canonicalize(dir.join("postgres")).ok()?;
    server.parent().map(Path::to_owned)
}

/// Installs whichever of PostgreSQL, Node and Python is missing, saying so.
pub(crate) fn install_missing() -> Result<()> {
    let mut packages = Vec::new();
    match postgres_bin() {
        Some(dir) => println!("PostgreSQL: {}", dir.display()),
        None => packages.push("postgresql"),
    }
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        match find(program) {
            Some(path) => println!("{program}: {}", path.display()),
            None => packages.push(package),
        }
    }
    match find("python3").filter(|python| has_venv(python)) {
        Some(path) => println!("python3: {}", path.display()),
        None => packages.push("python3-venv"),
    }
    println!("(Node and npm are for the test of interoperation with the official TypeScript library of Signal,");
    println!("Python for that with another implementation of HTTP message signatures)");
    if packages.is_empty() { Ok(()) } else { install(&packages) }
}

/// Debian's Python makes environments with pip only if a package of its own is installed.
fn has_venv(python: &Path) -> bool {
    Command::new(python).args(["-c", "import ensurepip, venv"]).output().is_ok_and(|output| output.status.success())
}

fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if find("apt-get").is_none() {
        bail!("missing: {names}. This machine has no apt-get: install them by hand and run this again");
    }
    let root = is_root()?;
    if !root && find("sudo").is_none() {
        bail!("missing: {names}. Run as root: apt-get update && apt-get install -y --no-install-recommends {names}");
    }
    let how = if root { "with apt-get" } else { "with apt-get through sudo, which may ask for your password" };
    println!("missing: {names}. Installing from the system's packages {how}");
    apt(root, &["update"])?;
    apt(root, &[&["install", "-y", "--no-install-recommends"], packages].concat())
}

/// Not guarded: `sudo` asks for a password on the terminal, and a package installation should not be cut short.
fn apt(root: bool, words: &[&str]) -> Result<()> {
    let mut command = if root { Command::new("env") } else { Command::new("sudo") };
    if !root {
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(words);
    steps::run_here(&mut command)
}

/// Adds rustfmt and clippy to a toolchain that was installed without them.
pub(crate) fn rust_components() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let present =
            workspace::cargo().args([subcommand, "--version"]).output().is_ok_and(|output| output.status.success());
        if !present {
            println!("missing: {component}. Adding it with rustup");
            steps::run_here(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// The program's path, if the `PATH` has it.
fn find(program: &str) -> Option<PathBuf> {
    search_path().into_iter().map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// `PATH`, and the folders of root's that an ordinary user's `PATH` lacks.
fn search_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]).collect()
}

/// Debian keeps each major version in its own folder; the newest first.
fn debian_postgres() -> Vec<PathBuf> {
    versions_in(Path::new("/usr/lib/postgresql")).into_iter().map(|dir| dir.join("bin")).collect()
}

fn versions_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{env, fs, path::Path};

    use super::versions_in;
    use crate::random;

    #[test]
    fn the_newest_version_comes_first() {
        let dir = env::temp_dir().join(format!("missive-versions-{}", random::hex(8).unwrap()));
        for name in ["9", "17", "15", "common"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        assert_eq!(versions_in(&dir), ["17", "15", "9"].map(|name| dir.join(name)));
        fs::remove_dir_all(&dir).unwrap();
        assert!(versions_in(Path::new("/nonexistent")).is_empty());
    }
}
