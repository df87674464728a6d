//! Passwords, passphrases and keys: from files, the keyring, or a prompt.

use std::{
    fs,
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use client_core::{Error, Namespace, Options, StorageError, Unlock, WrappedBy, default_home, keyring_works, locks};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{args::Global, args::Password, failure::Failure};

/// A password longer than this is a mistake.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// Where accounts are kept, and what opens them.
pub(crate) async fn options(global: &Global) -> Result<Options, Failure> {
    let home = match &global.home {
        Some(home) => home.clone(),
        None => default_home().ok_or_else(|| Failure::Usage("say where accounts are kept: --home".into()))?,
    };
    let unlock = unlock(global, &home).await?;
    Ok(Options::new(home, unlock))
}

/// The account's password.
pub(crate) fn password(from: &Password, new: bool) -> Result<SecretString, Failure> {
    match &from.password_file {
        Some(path) => first_line(path),
        None => prompt("Password: ", new, "--password-file"),
    }
}

async fn unlock(global: &Global, home: &Path) -> Result<Unlock, Failure> {
    if let Some(path) = &global.key_file {
        return Ok(Unlock::KeyFile(path.clone()));
    }
    if let Some(path) = &global.passphrase_file {
        return Ok(Unlock::Passphrase(first_line(path)?));
    }
    let locks = locks(home).map_err(Error::from)?;
    if locks.contains(&WrappedBy::Keyring) || (locks.is_empty() && keyring_works()) {
        return Ok(Unlock::Keyring);
    }
    if locks.is_empty() {
        return passphrase(true);
    }
    if !locks.contains(&WrappedBy::Passphrase) {
        return Err(Failure::Usage("the account is closed with a key file: say which with --key-file".into()));
    }
    let unlock = passphrase(false)?;
    // A typing error must not close a new account with a passphrase that nobody knows.
    if Namespace::all(home, &unlock).await.map_err(Error::from)?.is_empty() {
        return Err(Failure::Client(StorageError::WrongKey.into()));
    }
    Ok(unlock)
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
