//! Commands as one would type them.

use std::{borrow::Cow, ffi::OsStr, iter, process::Command};

/// The variables that the command sets and its words, quoted where a shell needs it; of cargo, whose full path
/// says nothing, only the name.
pub(crate) fn line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={}", name.to_string_lossy(), quoted(value)))
    });
    let program = command.get_program().to_string_lossy();
    let program = if program.ends_with("/cargo") { "cargo".into() } else { program };
    let words = iter::once(program).chain(command.get_args().map(OsStr::to_string_lossy));
    variables.chain(words.map(|word| quoted(word).into_owned())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: Cow<'_, str>) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@=,+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::line;

    #[test]
    fn words_are_quoted_where_needed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["test", "--package=x", "it's here", ""]);
        command.env("FLAGS", "-D warnings").env_remove("HOME");
        assert_eq!(line(&command), r"FLAGS='-D warnings' cargo test --package=x 'it'\''s here' ''");
        assert_eq!(line(&Command::new("target/debug/missive")), "target/debug/missive");
    }
}
