//! Asking before what cannot be undone.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::{Failure, Kind};

/// Asks the person at the terminal; where there is none, the command itself is the decision.
pub(super) fn confirm(question: &str) -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(());
    }
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = stdin.read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Kind::Failed, "nothing was changed"))
}
