//! The `MISSIVE_…` environment: `__` nests, `…_FILE` names a file that holds the value.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use confique::Layer as _;

use super::{
    ConfigError, assignment,
    keys::{self, CONFIG_VARIABLE},
    settings::SettingsLayer,
};

/// A value longer than this is no setting: a `…_FILE` variable points at the wrong file.
const LONGEST_VALUE: u64 = 64 * 1024;

/// Variables with this beginning tell the test suite where its PostgreSQL is; servers that tests start inherit them.
const TESTS: &str = "MISSIVE_TEST_";

/// The terminal client's variables: it may share a shell with the server.
const CLIENT: [&str; 4] = ["MISSIVE_HOME", "MISSIVE_ACCOUNT", "MISSIVE_KEY_FILE", "MISSIVE_SERVER"];

/// What the environment says.
pub(super) struct Environment {
    /// The file named by `MISSIVE_CONFIG`.
    pub(super) config_file: Option<PathBuf>,
    /// Every other variable.
    pub(super) layer: SettingsLayer,
}

/// Reads all variables that begin with `MISSIVE_`; one that is unknown is an error.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Environment, ConfigError> {
    let mut variables = ours(variables);
    let config_file = variables.remove(CONFIG_VARIABLE).map(PathBuf::from);
    let mut layer = SettingsLayer::empty();
    for key in keys::all() {
        let Some((name, text)) = take(&key, &mut variables)? else { continue };
        let one = assignment::layer(&key, &text);
        let one = one.map_err(|error| ConfigError::Variable { name, text: error.to_string() })?;
        layer = layer.with_fallback(one);
    }
    match variables.into_keys().next() {
        None => Ok(Environment { config_file, layer }),
        Some(name) => Err(unknown(name)),
    }
}

fn ours(variables: impl IntoIterator<Item = (OsString, OsString)>) -> BTreeMap<String, OsString> {
    variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| {
            name.starts_with("MISSIVE_") && !name.starts_with(TESTS) && !CLIENT.contains(&name.as_str())
        })
        .collect()
}

/// The key's value and the variable it comes from, if one is set.
fn take(key: &str, variables: &mut BTreeMap<String, OsString>) -> Result<Option<(String, String)>, ConfigError> {
    let name = keys::variable(key);
    let file_name = format!("{name}_FILE");
    let found = match (variables.remove(&name), variables.remove(&file_name)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (unicode(&name, value)?, name),
        (None, Some(path)) => (read_value(&file_name, Path::new(&path))?, file_name),
        (Some(_), Some(_)) => {
            let text = format!("{file_name} is set as well: unset one of the two");
            return Err(ConfigError::Variable { name, text });
        }
    };
    let (text, name) = found;
    Ok(Some((name, text)))
}

fn unicode(name: &str, value: OsString) -> Result<String, ConfigError> {
    value
        .into_string()
        .map_err(|_| ConfigError::Variable { name: name.to_owned(), text: "the value is not UTF-8".to_owned() })
}

/// The file's text without the newline that editors and `echo` put at its end.
fn read_value(name: &str, path: &Path) -> Result<String, ConfigError> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(LONGEST_VALUE + 1).read_to_string(&mut text)).and_then(|length| {
            match length as u64 {
                ..=LONGEST_VALUE => Ok(()),
                _ => Err(io::Error::other("longer than any setting")),
            }
        });
    read.map_err(|source| ConfigError::Read { named_by: name.to_owned(), path: path.to_owned(), source })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn unknown(name: String) -> ConfigError {
    let known = keys::known_variables();
    let hint = match keys::nearest(&name, &known) {
        Some(near) => format!("did you mean {near}? Rename it"),
        None => "take its name from `homeserver --print-config-template`".to_owned(),
    };
    ConfigError::UnknownVariable { name, hint }
}
