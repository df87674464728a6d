//! `missive accounts`.

use client_core::{Account, Error, Namespace, Options, Unlock, WrappedBy};
use serde_json::json;

use crate::{
    args::Global,
    failure::Failure,
    output::{DIM, Output, STRONG, paint},
    place, secrets,
};

pub(crate) async fn accounts(global: &Global, output: &Output) -> Result<(), Failure> {
    let locks = secrets::locks_of(global)?;
    if locks.is_empty() {
        output.remark("There are no accounts on this computer yet: missive register", "empty");
        return Ok(());
    }
    let options = secrets::options(global).await?;
    let opened = place::known(&options).await?;
    for namespace in &opened {
        show(output, &options, namespace).await?;
    }
    others(output, &locks, &options.unlock, opened.len());
    Ok(())
}

async fn show(output: &Output, options: &Options, namespace: &Namespace) -> Result<(), Failure> {
    let address = namespace.address();
    let is_open = namespace.is_open().map_err(Error::from)?;
    let account = match Account::open_at(options, namespace.clone()).await {
        Ok(account) => Some(account),
        // It was made for a log-in that was not finished.
        Err(Error::SessionEnded) => None,
        // One that cannot be read is no reason not to show the others.
        Err(error) => {
            let text = format!("{} cannot be read: {error}", paint(STRONG, address));
            output.line(&text, &json!({"type": "account", "address": address, "error": error.to_string()}));
            return Ok(());
        }
    };
    let server = account.as_ref().map(Account::server);
    let is_logged_in = match &account {
        Some(account) => account.is_logged_in().await,
        None => false,
    };
    let notes = [(!is_logged_in, ", logged out"), (is_open, ", open in another process")];
    let notes: String = notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect();
    let text = format!("{} {}{notes}", paint(STRONG, address), paint(DIM, server.unwrap_or("(never logged in)")));
    let value = json!({
        "type": "account", "address": address, "server": server, "loggedIn": is_logged_in, "openElsewhere": is_open,
    });
    output.line(&text, &value);
    Ok(())
}

/// Says how many accounts something else opens.
fn others(output: &Output, locks: &[WrappedBy], unlock: &Unlock, opened: usize) {
    let ours = unlock.wrapped_by();
    let kinds = [
        (WrappedBy::Keyring, "the keyring", "without --key-file and --passphrase-file"),
        (WrappedBy::Passphrase, "a passphrase", "with --passphrase-file"),
        (WrappedBy::Key, "a key file", "with --key-file"),
    ];
    for (kind, what, instead) in kinds {
        let all = locks.iter().filter(|lock| **lock == kind).count();
        let count = if kind == ours { all.saturating_sub(opened) } else { all };
        let another = if kind == ours { ", another one" } else { "" };
        if count > 0 {
            let text = format!("{count} more closed with {what}{another}: look {instead}");
            output.line(&text, &json!({"type": "closed", "with": kind, "count": count}));
        }
    }
}
