//! Which passwords are taken. Long and unlike the name; no rules about kinds of characters (NIST SP 800-63B).

use std::collections::HashSet;

use missive_wire::{AccountName, Code};

use crate::error::{Error, Result};

const MIN_CHARS: usize = 10;

/// Longer ones make the server hash for nothing.
const MAX_BYTES: usize = 1_024;

/// With fewer different characters a password is a handful of guesses, however long.
const MIN_DISTINCT: usize = 4;

/// Refuses a weak password, and says what to do.
pub(super) fn check(password: &str, name: &AccountName) -> Result<()> {
    match weakness(password, name) {
        Some(text) => Err(Error::new(Code::WeakPassword, text)),
        None => Ok(()),
    }
}

fn weakness(password: &str, name: &AccountName) -> Option<String> {
    let lower = password.to_lowercase();
    if password.chars().count() < MIN_CHARS {
        Some(format!("the password is too short: use at least {MIN_CHARS} characters, several words for instance"))
    } else if password.len() > MAX_BYTES {
        Some(format!("the password is too long: use at most {MAX_BYTES} bytes"))
    } else if lower.split('@').next() == Some(name.as_str()) {
        Some("the password is the account's name: use something that others do not know".into())
    } else if lower.chars().collect::<HashSet<_>>().len() < MIN_DISTINCT || is_run(&lower) {
        Some("the password repeats or counts on: use something less regular, several words for instance".into())
    } else {
        None
    }
}

/// Whether it is `1234567890`, `jihgfedcba` or the like, once or over and over.
fn is_run(password: &str) -> bool {
    let places = password.chars().map(|c| if c == '0' { u32::from('9') + 1 } else { u32::from(c) });
    let places = places.collect::<Vec<_>>();
    let repeats = |period: &usize| places.iter().zip(&places[*period..]).all(|(before, after)| before == after);
    let period = (1..places.len()).find(repeats).unwrap_or(places.len());
    let counts_by = |step| places[..period].windows(2).all(|pair| pair[0].checked_add_signed(step) == Some(pair[1]));
    counts_by(1) || counts_by(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_weak(password: &str) -> bool {
        weakness(password, &"bobby.tables".parse().unwrap()).is_some()
    }

    #[test]
    fn short_long_regular_and_known_passwords_are_weak() {
        for password in ["", "ninechars", "aaaaaaaaaaaa", "abababababab", "abcabcabcabc", "Bobby.Tables"] {
            assert!(is_weak(password), "{password}");
        }
        for run in ["1234567890", "123456789012345", "abcdefghijk", "ZYXWVUTSRQ", "qrstuvqrstuvq"] {
            assert!(is_weak(run), "{run}");
        }
        assert!(is_weak("bobby.tables@one.example"));
        assert!(is_weak(&"correct horse ".repeat(100)));
    }

    #[test]
    fn ten_characters_of_any_script_will_do() {
        for password in ["correct horse", "tenletters", "пароль дня", "q w e r t y", "1357924680!"] {
            assert!(!is_weak(password), "{password}");
        }
    }
}
