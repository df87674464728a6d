//! What a homeserver still has of an exchange that is over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{server::Server, shown};

/// No file of the homeserver, its log included, may contain any of the texts.
pub(crate) fn check(server: &Server, texts: &[&str]) -> Result<()> {
    shown(server.admin_command(&["health"]))?;
    let mut files = vec![server.log()];
    list(&server.data(), &mut files)?;
    for file in &files {
        let content = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        for text in texts {
            ensure!(!contains(&content, text.as_bytes()), "\"{text}\" is in {}", file.display());
        }
    }
    println!(
        "Searched {} files of {}, its database and log among them: no text of theirs is there.",
        files.len(),
        server.name()
    );
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn contains(content: &[u8], text: &[u8]) -> bool {
    content.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn a_text_is_found_wherever_it_is() {
        assert!(contains(b"..secret", b"secret"));
        assert!(contains(b"secret..", b"secret"));
        assert!(!contains(b"secre..t", b"secret"));
        assert!(!contains(b"", b"secret"));
    }
}
