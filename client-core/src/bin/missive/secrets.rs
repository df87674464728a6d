//! Passwords, passphrases and keys: from files, the keyring, or a prompt.

use std::{
    fs,
    io::{BufRead as _, Read as _},
    path::{Path, PathBuf},
};

use client_core::{Error, Namespace, Options, StorageError, Unlock, WrappedBy, default_home, keyring_works, locks};
use secrecy::SecretString;

use crate::{args::Global, args::Password, failure::Failure, prompt};

/// A password longer than this is a mistake.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// Where accounts are kept, and what opens those that are there.
pub(crate) async fn options(global: &Global) -> Result<Options, Failure> {
    // Nobody is asked for a passphrase that opens nothing.
    let is_named = global.key_file.is_some() || global.passphrase_file.is_some();
    match &global.account {
        _ if is_named || !locks_of(global)?.is_empty() => options_for_new(global).await,
        Some(_) => Err(Failure::Client(StorageError::NoSuchAccount.into())),
        None => Err(Failure::NoAccount),
    }
}

/// As [`options`], for a command that makes an account where there is none.
pub(crate) async fn options_for_new(global: &Global) -> Result<Options, Failure> {
    let home = home(global)?;
    let unlock = match named(global)? {
        Some(unlock) => unlock,
        None => found(&home).await?,
    };
    Ok(Options::new(home, unlock))
}

/// What the accounts are closed with, without opening any.
pub(crate) fn locks_of(global: &Global) -> Result<Vec<WrappedBy>, Failure> {
    Ok(locks(&home(global)?).map_err(Error::from)?)
}

/// The account's password.
pub(crate) fn password(from: &Password, of: &str, new: bool) -> Result<SecretString, Failure> {
    match &from.password_file {
        Some(path) => first_line(path),
        None => prompt::secret(&format!("Password of {of}:"), new, "--password-file"),
    }
}

fn home(global: &Global) -> Result<PathBuf, Failure> {
    let home = global.home.clone().or_else(default_home);
    home.ok_or_else(|| Failure::Usage("say where accounts are kept: --home".into()))
}

/// What the command line says.
fn named(global: &Global) -> Result<Option<Unlock>, Failure> {
    if let Some(path) = &global.key_file {
        return Ok(Some(Unlock::KeyFile(path.clone())));
    }
    let passphrase = global.passphrase_file.as_deref().map(first_line).transpose()?;
    Ok(passphrase.map(Unlock::Passphrase))
}

/// What opens the accounts that are there, else what a new one is to be closed with.
async fn found(home: &Path) -> Result<Unlock, Failure> {
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
    let text = if new { "New passphrase for the accounts on this computer:" } else { "Passphrase of this computer:" };
    Ok(Unlock::Passphrase(prompt::secret(text, new, "--passphrase-file or --key-file")?))
}

fn first_line(path: &Path) -> Result<SecretString, Failure> {
    let unreadable = |error: std::io::Error| Failure::Io(format!("{} cannot be read: {error}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        // One line: what follows may be another secret, or what is to be sent.
        std::io::stdin().lock().take(SECRET_MAX_BYTES).read_line(&mut text).map_err(unreadable)?;
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
