//! Which account a command is about.

use client_core::{Account, Client, Error, Namespace, Options, StorageError, locks, wire::Address};

use crate::{args::Global, failure::Failure, secrets};

/// An account of this computer, found and unlocked.
pub(crate) struct Place {
    pub(crate) options: Options,
    pub(crate) namespace: Namespace,
}

impl Place {
    /// The account that the command line means: the named one, or the only one.
    pub(crate) async fn find(global: &Global) -> Result<Self, Failure> {
        let options = secrets::options(global).await?;
        if let Some(account) = &global.account {
            let found = Namespace::find(&options.home, account, &options.unlock).await;
            return Ok(Self { namespace: found.map_err(Error::from)?, options });
        }
        let mut all = known(&options).await?;
        match all.len() {
            0 => Err(none(&options)),
            1 => Ok(Self { options, namespace: all.remove(0) }),
            _ => Err(say_which(&all)),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        self.namespace.address()
    }

    /// The account as the owner of its keys. Waits for another process that has them.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::open_at(&self.options, self.namespace.clone()).await?)
    }

    /// The account, whoever owns its keys.
    pub(crate) async fn account(&self) -> Result<Account, Failure> {
        Ok(Account::open_at(&self.options, self.namespace.clone()).await?)
    }
}

/// Why there is none that can be opened.
fn none(options: &Options) -> Failure {
    let error = match locks(&options.home) {
        Ok(locks) if locks.contains(&options.unlock.wrapped_by()) => StorageError::WrongKey,
        Ok(locks) => match locks.first() {
            Some(other) => StorageError::OtherLock(*other),
            None => return Failure::NoAccount,
        },
        Err(error) => error,
    };
    Failure::Client(error.into())
}

/// The accounts that can be opened.
pub(crate) async fn known(options: &Options) -> Result<Vec<Namespace>, Failure> {
    Ok(Namespace::all(&options.home, &options.unlock).await.map_err(Error::from)?)
}

/// Asks which account is meant, of several.
pub(crate) fn say_which(all: &[Namespace]) -> Failure {
    let names: Vec<String> = all.iter().map(|one| one.address().to_string()).collect();
    Failure::Usage(format!("say which account with --account: {}", names.join(", ")))
}
