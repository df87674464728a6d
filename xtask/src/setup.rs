//! `cargo xtask setup`: protoc, which libsignal's build needs, from the Rust registry.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Puts protoc and its includes where `.cargo/config.toml` points, so that plain `cargo build` works.
pub(crate) fn run() -> Result<()> {
    let tools = Path::new(".tools/protoc");
    let mut files = Vec::new();
    let include = protoc_bin_vendored::include_path().context("protoc's includes")?;
    list(&include, &tools.join("include"), &mut files)?;
    let protoc = protoc_bin_vendored::protoc_bin_path().context("protoc for this platform")?;
    files.push((protoc, tools.join("bin/protoc")));
    let mut changed = 0;
    for (from, to) in &files {
        changed += usize::from(copy(from, to).with_context(|| format!("copying to {}", to.display()))?);
    }
    if changed == 0 {
        println!("protoc is in place: {}", tools.display());
    } else {
        println!("protoc, from the Rust registry, copied to {} ({changed} files)", tools.display());
    }
    Ok(())
}

fn list(from: &Path, to: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &target, files)?;
        } else {
            files.push((entry.path(), target));
        }
    }
    Ok(())
}

/// Copies what differs and says whether it did. An untouched file keeps its time, so nothing is rebuilt;
/// the rename lets two runs at once, or a protoc that is running, be.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    if to.exists() && fs::read(from)? == fs::read(to)? {
        return Ok(false);
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let partial = to.with_extension(format!("new{}", std::process::id()));
    fs::copy(from, &partial)?;
    fs::rename(&partial, to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{env, fs};

    use super::copy;
    use crate::random;

    #[test]
    fn copies_only_what_differs() {
        let dir = env::temp_dir().join(format!("missive-setup-{}", random::hex(8).unwrap()));
        fs::create_dir(&dir).unwrap();
        let (from, to) = (dir.join("from"), dir.join("deep/to"));
        fs::write(&from, "one").unwrap();
        assert!(copy(&from, &to).unwrap());
        assert!(!copy(&from, &to).unwrap());
        fs::write(&from, "two").unwrap();
        assert!(copy(&from, &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"two");
        fs::remove_dir_all(&dir).unwrap();
    }
}
