//! Why a configuration was refused: where it is written, what is wrong, what to write instead.

use std::{io, path::PathBuf};

/// Why a configuration was refused. The text is for the person who wrote it, and repeats no secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file, or a file named by a `…_FILE` variable, cannot be read.
    #[error("{named_by}: cannot read the file {}: {source}", path.display())]
    Read {
        /// The variable that names the file, or that it is the configuration itself.
        named_by: String,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The configuration file holds an unknown key, a wrong value or no TOML.
    #[error("the configuration file {} is refused:\n{text}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Line, column, excerpt and reason.
        text: String,
    },
    /// A variable begins with `MISSIVE_` and belongs to no key.
    #[error("unknown environment variable {name}: {hint}, or unset it")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The nearest known name, or where the names are listed.
        hint: String,
    },
    /// A variable's value is wrong.
    #[error("environment variable {name}: {text}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong, and what to write.
        text: String,
    },
    /// A flag's value is wrong, or `--set` names an unknown key.
    #[error("{flag}: {text}")]
    Flag {
        /// The flag.
        flag: String,
        /// What is wrong, and what to write.
        text: String,
    },
    /// Two keys contradict each other.
    #[error("{0}")]
    Conflict(String),
}
