//! Where an export goes: stdout, or a file that is whole or not there.

use std::{
    io::{BufWriter, ErrorKind, Stdout, Write},
    path::{Path, PathBuf},
};

use anstream::adapter::strip_str;
use tempfile::NamedTempFile;

use crate::failure::Failure;

pub(super) enum Sink {
    Stdout(BufWriter<Stdout>),
    /// Beside its place, until it is whole. Only its owner may read it.
    File {
        file: BufWriter<NamedTempFile>,
        path: PathBuf,
        replace: bool,
    },
}

impl Sink {
    pub(super) fn open(path: Option<&Path>, replace: bool) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Stdout(BufWriter::new(std::io::stdout()))) };
        // Refused before the work rather than after it.
        if !replace && path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(directory).map_err(|error| unwritable(path, &error))?;
        Ok(Self::File { file: BufWriter::new(file), path: path.to_owned(), replace })
    }

    /// A line, without colours: it is to be kept.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout(stdout) => said(writeln!(stdout, "{}", strip_str(text))),
            Self::File { file, path, .. } => {
                writeln!(file, "{}", strip_str(text)).map_err(|error| unwritable(path, &error))
            }
        }
    }

    /// Puts it in its place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let (file, path, replace) = match self {
            Self::Stdout(mut stdout) => return said(stdout.flush()),
            Self::File { file, path, replace } => (file, path, replace),
        };
        let file = file.into_inner().map_err(|error| unwritable(&path, error.error()))?;
        file.as_file().sync_all().map_err(|error| unwritable(&path, &error))?;
        let placed = if replace { file.persist(&path) } else { file.persist_noclobber(&path) };
        match placed {
            Ok(_) => Ok(()),
            Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => Err(taken(&path)),
            Err(failed) => Err(unwritable(&path, &failed.error)),
        }
    }
}

fn said(written: std::io::Result<()>) -> Result<(), Failure> {
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::Io(format!("stdout cannot be written: {error}")),
    })
}

fn taken(path: &Path) -> Failure {
    Failure::Usage(format!("{} is there already: choose another file, or --force", path.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Io(format!("{} cannot be written: {error}", path.display()))
}
