//! Which account a command is about.

use client_core::{Account, Client, Error, Namespace, Options, wire::Address};

use crate::{args::Global, failure::Failure, secrets};

/// An account of this computer, found and unlocked.
pub(crate) struct Place {
    pub(crate) options: Options,
    namespace: Namespace,
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
        match (all.pop(), all.is_empty()) {
            (Some(namespace), true) => Ok(Self { options, namespace }),
            (None, _) => Err(Failure::Usage("there is no account here: missive register <name> --server <url>".into())),
            (Some(last), false) => {
                let names: Vec<String> = all.iter().chain([&last]).map(|one| one.address().to_string()).collect();
                Err(Failure::Usage(format!("say which account with --account: {}", names.join(", "))))
            }
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

/// The accounts that can be opened.
pub(crate) async fn known(options: &Options) -> Result<Vec<Namespace>, Failure> {
    Ok(Namespace::all(&options.home, &options.unlock).await.map_err(Error::from)?)
}
