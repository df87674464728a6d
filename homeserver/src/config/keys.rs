//! The names of the keys, taken from the settings themselves, and what a misspelt one was meant to be.

use confique::{
    Config as _,
    meta::{FieldKind, Meta},
};

use super::settings::Settings;

/// The variable that names the configuration file, as `--config` does.
pub(super) const CONFIG_VARIABLE: &str = "MISSIVE_CONFIG";

/// Every environment variable that is read: `MISSIVE_CONFIG`, and for each key its variable and that with `_FILE`.
pub fn known_variables() -> Vec<String> {
    let mut known = vec![CONFIG_VARIABLE.to_owned()];
    for key in all() {
        let name = variable(&key);
        known.push(format!("{name}_FILE"));
        known.push(name);
    }
    known
}

/// Every key, dotted: `limits.enabled`.
pub(super) fn all() -> Vec<String> {
    let mut keys = Vec::new();
    collect(&Settings::META, "", &mut keys);
    keys
}

/// The variable of a key: `limits.enabled` is `MISSIVE_LIMITS__ENABLED`.
pub(super) fn variable(key: &str) -> String {
    format!("MISSIVE_{}", key.replace('.', "__").to_uppercase())
}

/// The one of `known` that `name` was probably meant to be, if any is near enough to be worth naming.
pub(super) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let near = |candidate: &&String| distance(name, candidate) <= 2.max(name.len() / 4);
    known.iter().filter(near).min_by_key(|candidate| distance(name, candidate)).map(String::as_str)
}

fn collect(meta: &Meta, prefix: &str, keys: &mut Vec<String>) {
    for field in meta.fields {
        let key = format!("{prefix}{}", field.name);
        match field.kind {
            FieldKind::Leaf { .. } => keys.push(key),
            FieldKind::Nested { meta } => collect(meta, &format!("{key}."), keys),
        }
    }
}

/// Levenshtein's: how many characters to insert, remove or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
