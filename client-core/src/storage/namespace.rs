//! Which accounts there are, and where: each in a directory with a random name, which tells no one whose it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use missive_wire::Address;
use uuid::Uuid;

use super::{
    StorageError, Unlock, WrappedBy, durable,
    lock::{self, FileLock},
    seal::SecretKey,
    unlock::{self, PATIENCE},
};

/// An account's place on this computer, opened: its address is known, and so is the key of its storage.
#[derive(Clone)]
pub struct Namespace {
    pub(super) directory: PathBuf,
    pub(super) address: Address,
    pub(super) key: SecretKey,
}

/// Where the accounts of this computer's user are, unless something else is asked for.
pub fn default_home() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "missive").map(|dirs| dirs.data_dir().to_owned())
}

/// What the accounts in `home` are closed with, without opening any: one entry an account.
pub fn locks(home: &Path) -> Result<Vec<WrappedBy>, StorageError> {
    let places = places(home)?;
    let locks: Result<Vec<_>, _> = places.iter().map(|directory| unlock::wrapped_by(directory)).collect();
    Ok(locks?.into_iter().flatten().collect())
}

impl Namespace {
    /// The accounts in `home` that `unlock` opens, in order of their addresses.
    pub async fn all(home: &Path, unlock: &Unlock) -> Result<Vec<Self>, StorageError> {
        let (home, unlock) = (home.to_owned(), unlock.clone());
        // Argon2id is slow, and the keyring blocks.
        blocking(move || Ok(Look::at(&home, &unlock)?.opened)).await
    }

    /// The account in `home` with that address.
    pub async fn find(home: &Path, address: &Address, unlock: &Unlock) -> Result<Self, StorageError> {
        let (home, unlock, address) = (home.to_owned(), unlock.clone(), address.clone());
        blocking(move || {
            let Look { mut opened, closed } = Look::at(&home, &unlock)?;
            match opened.iter().position(|namespace| namespace.address == address) {
                Some(at) => Ok(opened.swap_remove(at)),
                // One that could not be opened may be it.
                None => Err(closed.unwrap_or(StorageError::NoSuchAccount)),
            }
        })
        .await
    }

    /// As [`Namespace::find`], and makes it where there is none. Where one cannot be opened, that may be it, and none is
    /// made: an account has one place.
    pub async fn make(home: &Path, address: &Address, unlock: &Unlock) -> Result<Self, StorageError> {
        Self::make_if(home, address, unlock, |error| matches!(error, StorageError::NoSuchAccount)).await
    }

    /// As [`Namespace::make`], for an account that is certain to be new: what cannot be opened is another one.
    pub async fn make_new(home: &Path, address: &Address, unlock: &Unlock) -> Result<Self, StorageError> {
        Self::make_if(home, address, unlock, |error| !matches!(error, StorageError::Io(_))).await
    }

    async fn make_if(
        home: &Path,
        address: &Address,
        unlock: &Unlock,
        is_missing: impl FnOnce(&StorageError) -> bool,
    ) -> Result<Self, StorageError> {
        make_directory(home)?;
        // Two that make the same account at once make one.
        let _lock = FileLock::take(&home.join("lock"), PATIENCE).await?;
        match Self::find(home, address, unlock).await {
            Err(error) if is_missing(&error) => {}
            Err(StorageError::Io(error)) => return Err(error.into()),
            Err(error) => return Err(StorageError::MayBeHere(Box::new(error))),
            Ok(found) => return Ok(found),
        }
        let directory = home.join(Uuid::new_v4().simple().to_string());
        make_directory(&directory)?;
        let (unlock, address) = (unlock.clone(), address.clone());
        blocking(move || {
            let key = unlock::create(&directory, &address, &unlock)?;
            // The directory's own name must be durable before keys in it are published.
            durable::sync_directory(&directory)?;
            Ok(Self { directory, address, key })
        })
        .await
    }

    /// Whose it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether a process is the owner of the account's keys just now.
    pub fn is_open(&self) -> Result<bool, StorageError> {
        lock::is_taken(&self.directory.join("lock"))
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a look at every account came to.
#[derive(Default)]
struct Look {
    opened: Vec<Namespace>,
    /// Why one could not be opened.
    closed: Option<StorageError>,
}

impl Look {
    /// Looks at each; one that is damaged, or closed with something else, is no reason not to open the others.
    fn at(home: &Path, unlock: &Unlock) -> Result<Self, StorageError> {
        let mut look = Self::default();
        for directory in places(home)? {
            match unlock::open(&directory, unlock) {
                Ok((key, address)) => look.opened.push(Namespace { directory, address, key }),
                // Not finished when a process died.
                Err(StorageError::NoSuchAccount) => {}
                // What says most: that the key is the wrong one.
                Err(error @ StorageError::WrongKey) => look.closed = Some(error),
                Err(error) => {
                    look.closed.get_or_insert(error);
                }
            }
        }
        look.opened.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(look)
    }
}

fn places(home: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut places = Vec::new();
    for entry in entries {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| Uuid::try_parse(name).is_ok());
        if is_ours && entry.file_type()?.is_dir() {
            places.push(entry.path());
        }
    }
    Ok(places)
}

/// Makes a directory, for its owner only.
fn make_directory(directory: &Path) -> Result<(), StorageError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(directory)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StorageError::Damaged("the data key could not be unwrapped"))?
}
