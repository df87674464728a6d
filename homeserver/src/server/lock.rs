//! One owner: a server locks its data directory and its SQLite file.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::config::{Config, DatabaseUrl};

/// The locks of a running server; dropped, they are free again, however it ended.
#[derive(Debug)]
pub struct Lock {
    _files: Vec<File>,
}

/// Why the data could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server runs on it.
    #[error("another homeserver is running on {0}: stop that one, or use another data_dir or database_url")]
    Held(PathBuf),
    /// The lock file cannot be made.
    #[error("{0} cannot be locked: {1}; check that the directory exists and that this user may write to it")]
    File(PathBuf, std::io::Error),
}

impl Lock {
    /// Locks what the configuration names.
    pub fn take(config: &Config) -> Result<Self, LockError> {
        let mut files = vec![lock(&config.data_dir.join("homeserver.lock"), &config.data_dir)?];
        if let DatabaseUrl::Sqlite(path) = &config.database_url {
            let mut beside = path.clone().into_os_string();
            beside.push(".lock");
            files.push(lock(Path::new(&beside), path)?);
        }
        Ok(Self { _files: files })
    }
}

fn lock(path: &Path, what: &Path) -> Result<File, LockError> {
    let failed = |error| LockError::File(path.into(), error);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Held(what.into())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
