//! The Node packages of the test of interoperation: the official TypeScript library of Signal.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::steps;

/// Where `package-lock.json` says which packages, and by its hashes that they are those.
const FOLDER: &str = "homeserver/tests/interop";

/// Installs the packages, unless exactly these are there.
pub(crate) fn packages() -> Result<()> {
    let folder = Path::new(FOLDER);
    let lock = fs::read(folder.join("package-lock.json")).context("reading which Node packages there should be")?;
    // Written behind everything else, and gone while `npm ci` is at work.
    let installed = folder.join("node_modules/.installed-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == lock) {
        println!("the official library of Signal is in place: {FOLDER}/node_modules");
        return Ok(());
    }
    println!("the official library of Signal, for its test, from npm's registry, into {FOLDER}/node_modules");
    steps::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--prefix", FOLDER]))?;
    fs::write(&installed, lock).with_context(|| format!("writing {}", installed.display()))
}
