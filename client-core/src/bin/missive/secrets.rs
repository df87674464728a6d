//! Passwords, passphrases and keys: from files, the keyring, or a prompt.

use std::{
    fs,
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use client_core::{Options, Unlock, WrappedBy, accounts, default_home, keyring_works, wire::Address, wrapped_by};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{args::Global, args::Password, failure::Failure};

/// A password longer than this is a mistake.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// Where an account is to be opened with what: a known one, or the one that a name will become.
pub(crate) fn options(global: &Global, known: Option<&Address>) -> Result<Options, Failure> {
    let home = match &global.home {
        Some(home) => home.clone(),
        None => default_home().ok_or_else(|| Failure::Usage("say where accounts are kept: --home".into()))?,
    };
    let unlock = unlock(global, &home, known)?;
    Ok(Options::new(home, unlock))
}

/// The account that a command is about.
pub(crate) fn account(global: &Global) -> Result<Address, Failure> {
    if let Some(account) = &global.account {
        return Ok(account.clone());
    }
    let mut known = known_accounts(global)?;
    match known.len() {
        0 => Err(Failure::Usage("there is no account here: missive register <name> --server <url>".into())),
        1 => Ok(known.remove(0)),
        _ => {
            let names: Vec<String> = known.iter().map(Address::to_string).collect();
            Err(Failure::Usage(format!("say which account with --account: {}", names.join(", "))))
        }
    }
}

/// The accounts of this computer.
pub(crate) fn known_accounts(global: &Global) -> Result<Vec<Address>, Failure> {
    let home = global.home.clone().or_else(default_home).unwrap_or_default();
    accounts(&home).map_err(|error| Failure::Client(error.into()))
}

/// The account's password.
pub(crate) fn password(from: &Password, new: bool) -> Result<SecretString, Failure> {
    match &from.password_file {
        Some(path) => first_line(path),
        None => prompt("Password: ", new, "--password-file"),
    }
}

fn unlock(global: &Global, home: &Path, known: Option<&Address>) -> Result<Unlock, Failure> {
    if let Some(path) = &global.key_file {
        return Ok(Unlock::KeyFile(path.clone()));
    }
    if let Some(path) = &global.passphrase_file {
        return Ok(Unlock::Passphrase(first_line(path)?));
    }
    let closed = match known {
        Some(address) => wrapped_by(home, address).map_err(|error| Failure::Client(error.into()))?,
        None => None,
    };
    match closed {
        Some(WrappedBy::Keyring) => Ok(Unlock::Keyring),
        Some(WrappedBy::Key) => {
            Err(Failure::Usage("the account is closed with a key file: say which with --key-file".into()))
        }
        Some(WrappedBy::Passphrase) => passphrase(false),
        None if keyring_works() => Ok(Unlock::Keyring),
        None => passphrase(true),
    }
}

fn passphrase(new: bool) -> Result<Unlock, Failure> {
    let text = if new { "New passphrase for this computer: " } else { "Passphrase: " };
    Ok(Unlock::Passphrase(prompt(text, new, "--passphrase-file or --key-file")?))
}

fn prompt(text: &str, twice: bool, instead: &str) -> Result<SecretString, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("there is no terminal to ask at: use {instead}")));
    }
    let ask = |text: &str| rpassword::prompt_password(text).map_err(|error| Failure::Io(error.to_string()));
    let secret = SecretString::from(ask(text)?);
    if twice && ask("The same again: ")? != secret.expose_secret() {
        return Err(Failure::Usage("the two are not the same".into()));
    }
    Ok(secret)
}

fn first_line(path: &Path) -> Result<SecretString, Failure> {
    let unreadable = |error: std::io::Error| Failure::Io(format!("{} cannot be read: {error}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(SECRET_MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        fs::File::open(path)
            .map_err(unreadable)?
            .take(SECRET_MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
    }
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned().into()),
        _ => Err(Failure::Usage(format!("{} is empty", path.display()))),
    }
}
