//! Locks between processes. One owner a namespace: two would tear the ratchet apart.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    time::Duration,
};

use super::StorageError;

const POLL: Duration = Duration::from_millis(50);

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct FileLock(#[allow(dead_code)] File); // the open file is the lock

impl FileLock {
    /// Takes the lock, waiting at most `patience` for another process to let go.
    pub(crate) async fn take(path: &Path, patience: Duration) -> Result<Self, StorageError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut file = open(path)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) if tokio::time::Instant::now() >= deadline => {
                    return Err(StorageError::Locked { holder: holder(&mut file), waited: patience });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL).await,
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

/// Whether a process holds the lock just now. A lock that was never taken is not made.
pub(super) fn is_taken(path: &Path) -> Result<bool, StorageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    super::private(&mut options).open(path)
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(16).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}
