//! Asking a person, where there is one.

use std::io::{IsTerminal as _, Write as _};

use secrecy::{ExposeSecret as _, SecretString};

use crate::failure::Failure;

/// Whether somebody can answer.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal()
}

/// A line; `instead` is what a script uses.
pub(crate) fn line(question: &str, instead: &str) -> Result<String, Failure> {
    if !is_possible() {
        return Err(Failure::Usage(format!("there is no terminal to ask at: use {instead}")));
    }
    let mut stderr = std::io::stderr();
    let mut answer = String::new();
    // A terminal that cannot be written to is one that nobody reads.
    let _ = write!(stderr, "{question} ").and_then(|()| stderr.flush());
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::Io(error.to_string()))?;
    match answer.trim() {
        "" => Err(Failure::Usage("nothing was answered".into())),
        answer => Ok(answer.to_owned()),
    }
}

/// Whether something is meant: only a whole `yes` is one.
pub(crate) fn confirm(question: &str, instead: &str) -> Result<(), Failure> {
    let answer = line(&format!("{question} Type yes to go on:"), instead)?;
    if answer == "yes" { Ok(()) } else { Err(Failure::Usage("nothing was done".into())) }
}

/// Something that is not shown while it is typed; a new one is asked for twice.
pub(crate) fn secret(question: &str, new: bool, instead: &str) -> Result<SecretString, Failure> {
    if !is_possible() {
        return Err(Failure::Usage(format!("there is no terminal to ask at: use {instead}")));
    }
    let ask = |text: &str| rpassword::prompt_password(text).map_err(|error| Failure::Io(error.to_string()));
    let secret = SecretString::from(ask(&format!("{question} "))?);
    if secret.expose_secret().is_empty() {
        return Err(Failure::Usage("nothing was answered".into()));
    }
    if new && ask("The same again: ")? != secret.expose_secret() {
        return Err(Failure::Usage("the two are not the same".into()));
    }
    Ok(secret)
}
