//! The TOML file: reading it, and saying where in it something is wrong.

use std::{error::Error as _, fs, path::Path};

use confique::{File, FileFormat};

use super::{ConfigError, keys, settings::SettingsLayer};

/// Reads the file; an unknown key or a wrong value is an error with its line.
pub(super) fn load(path: &Path) -> Result<SettingsLayer, ConfigError> {
    fs::metadata(path).map_err(|source| ConfigError::Read {
        named_by: "the configuration".to_owned(),
        path: path.to_owned(),
        source,
    })?;
    let file = File::with_format(path, FileFormat::Toml).required();
    file.load().map_err(|error| {
        let reason = match error.source() {
            Some(source) => source.to_string(),
            None => error.to_string(),
        };
        ConfigError::File { path: path.to_owned(), text: explain(&reason) }
    })
}

/// Where `key` is written in the file, as ` (path, line n)`; nothing where it comes from elsewhere.
pub(super) fn position(path: Option<&Path>, key: &str) -> String {
    let found = path.and_then(|path| {
        let text = fs::read_to_string(path).ok()?;
        Some((path, line_of(&text, key)?))
    });
    match found {
        Some((path, line)) => format!(" ({}, line {line})", path.display()),
        None => String::new(),
    }
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut section = "";
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = name.0.trim();
        } else if let Some((name, _)) = line.split_once('=') {
            let written = match section {
                "" => name.trim().to_owned(),
                section => format!("{section}.{}", name.trim()),
            };
            if written == key {
                return Some(index + 1);
            }
        }
    }
    None
}

/// The parser's words, without an excerpt that may hold a password, and with the key that was probably meant.
fn explain(reason: &str) -> String {
    let secret = |line: &str| line.contains("database_url") || (line.contains("://") && line.contains('@'));
    let excerpt = |line: &str| line.split_once('|').is_some_and(|(number, _)| number.trim().parse::<u32>().is_ok());
    let mut text = reason
        .trim_end()
        .lines()
        .map(|line| match line.split_once('|') {
            Some((number, _)) if excerpt(line) && secret(line) => {
                format!("{number}| (not shown: it may hold a password)")
            }
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n");
    let unknown = reason.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`'));
    if let Some(near) = unknown.and_then(|(name, _)| meant(name)) {
        text.push_str("\nhelp: did you mean `");
        text.push_str(&near);
        text.push_str("`?");
    }
    text
}

/// The key whose last part is nearest to `name`.
fn meant(name: &str) -> Option<String> {
    let keys = keys::all();
    let last = |key: &String| key.rsplit('.').next().unwrap_or(key).to_owned();
    let names: Vec<String> = keys.iter().map(last).collect();
    let near = keys::nearest(name, &names)?;
    let index = names.iter().position(|name| name == near)?;
    keys.get(index).cloned()
}
