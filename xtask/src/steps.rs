//! Announced and timed steps.

use std::{
    fmt,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{guard::Guard, shell};

/// What was done and how long it took.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Announces a step, does it, and remembers its time.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = work();
        self.done.push((name, start.elapsed()));
        outcome
    }

    /// Prints what each step took.
    pub(crate) fn summary(&self) {
        println!("\n== time");
        for (name, time) in &self.done {
            println!("{:>8.1} s  {name}", time.as_secs_f64());
        }
    }
}

/// A command that ended badly; its exit code becomes ours.
#[derive(Debug)]
pub(crate) struct Failed {
    command: String,
    status: ExitStatus,
}

impl Failed {
    /// The exit code to pass on.
    pub(crate) fn code(&self) -> u8 {
        self.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` failed ({})", self.command, self.status)
    }
}

impl std::error::Error for Failed {}

/// Prints the command and runs it to its end; what it started ends with this process.
pub(crate) fn run(command: &Command) -> Result<()> {
    let line = announce(command);
    succeed(line, Guard::new("TERM").start(command)?.wait()?)
}

/// The same for a command that talks with the terminal, which a guarded one cannot.
pub(crate) fn run_here(command: &mut Command) -> Result<()> {
    let line = announce(command);
    let status = command.status().with_context(|| format!("starting `{line}`"))?;
    succeed(line, status)
}

fn announce(command: &Command) -> String {
    let line = shell::line(command);
    println!("$ {line}");
    line
}

/// Fails as a step does when its command did.
pub(crate) fn succeed(command: String, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!(Failed { command, status });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::{Failed, run};

    #[test]
    fn the_exit_code_is_passed_on() {
        run(&Command::new("true")).unwrap();
        let error = run(Command::new("/bin/sh").args(["-c", "exit 42"])).unwrap_err();
        assert_eq!(error.downcast_ref::<Failed>().unwrap().code(), 42);
        assert_eq!(error.to_string(), "`/bin/sh -c 'exit 42'` failed (exit status: 42)");
    }
}
