//! The Python packages of the tests, in an environment of their own.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::steps;

/// What is wanted, with its versions.
const WANTED: &str = "homeserver/tests/peers/requirements.txt";

/// The environment, where the tests look for it.
const ENVIRONMENT: &str = ".tools/python";

/// Makes the environment, unless it has what is wanted.
pub(crate) fn install_missing() -> Result<()> {
    let environment = Path::new(ENVIRONMENT);
    let wanted = fs::read(WANTED).with_context(|| format!("reading {WANTED}"))?;
    // Written last, so that an environment half made is made again.
    let done = environment.join("installed.txt");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        println!("the packages of {WANTED} are in {ENVIRONMENT}");
        return Ok(());
    }
    steps::run(Command::new("python3").args(["-m", "venv", "--clear", ENVIRONMENT]))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", WANTED]);
    steps::run(&pip)?;
    fs::write(&done, wanted).with_context(|| format!("writing {}", done.display()))
}
