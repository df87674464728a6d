//! Which accounts there are, and where.

use std::{
    fs,
    path::{Path, PathBuf},
};

use missive_wire::Address;

use super::{StorageError, WrappedBy, unlock};

/// Where the accounts of this computer's user are, unless something else is asked for.
pub fn default_home() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "missive").map(|dirs| dirs.data_dir().to_owned())
}

/// The accounts in `home`, in order.
pub fn accounts(home: &Path) -> Result<Vec<Address>, StorageError> {
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let address = entry?.file_name().to_str().and_then(address);
        if let Some(address) = address
            && wrapped_by(home, &address)?.is_some()
        {
            found.push(address);
        }
    }
    found.sort();
    Ok(found)
}

/// What an account's namespace was closed with; `None` where there is none.
pub fn wrapped_by(home: &Path, address: &Address) -> Result<Option<WrappedBy>, StorageError> {
    unlock::wrapped_by(&directory(home, address))
}

pub(crate) fn directory(home: &Path, address: &Address) -> PathBuf {
    let name = address.to_string();
    // Windows has no ':' in file names; a server name has no '_', so nothing is mixed up.
    home.join(if cfg!(windows) { name.replace(':', "_") } else { name })
}

/// Makes an account's directory, for its owner only.
pub(crate) fn make_directory(home: &Path, address: &Address) -> Result<PathBuf, StorageError> {
    let directory = directory(home, address);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&directory)?;
    Ok(directory)
}

fn address(directory: &str) -> Option<Address> {
    let (name, server) = directory.split_once('@')?;
    let server = if cfg!(windows) { server.replace('_', ":") } else { server.to_owned() };
    format!("{name}@{server}").parse().ok()
}
