//! Files that are there whole, for their owner only, and stay there.

use std::{fs, io::Write, path::Path};

/// A new file, whole or not at all: a temporary one beside it, synced, then linked where nothing was before.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4()));
    let temporary = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    let mut file = super::private(options.write(true).create_new(true)).open(&temporary)?;
    let placed = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| place(&temporary, path));
    // Renamed, it is gone already.
    let _ = fs::remove_file(&temporary);
    placed?;
    sync_directory(path)
}

/// Never over a file that is there, but on file systems that have no links.
fn place(temporary: &Path, path: &Path) -> std::io::Result<()> {
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => fs::rename(temporary, path),
        result => result,
    }
}

/// A name is durable when its directory is.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
