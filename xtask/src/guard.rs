//! Child processes that never outlive xtask, even when it is killed.
//!
//! Each runs under a small shell in its own process group. The shell holds the read end of a pipe whose write
//! end is ours: when it closes, because we are done, or Ctrl-C or `kill -9` ended us, the shell ends the
//! group and cleans up. So every way out is the same one, and no signal handler is needed.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

const SCRIPT: &str = include_str!("guard.sh");
const PATIENCE: Duration = Duration::from_mins(1);

/// How a child will be ended and what is removed after it.
pub(crate) struct Guard {
    signal: &'static str,
    remove: Option<PathBuf>,
    log: Option<File>,
}

impl Guard {
    /// Ends the child with this signal (a name without `SIG`).
    pub(crate) fn new(signal: &'static str) -> Self {
        Self { signal, remove: None, log: None }
    }

    /// Removes this folder when the child is over.
    pub(crate) fn remove(mut self, folder: PathBuf) -> Self {
        self.remove = Some(folder);
        self
    }

    /// Writes what the child says into this file instead of on the terminal.
    pub(crate) fn log(mut self, file: File) -> Self {
        self.log = Some(file);
        self
    }

    /// Starts the command, with its arguments, folder and variables.
    pub(crate) fn start(self, command: &Command) -> Result<Guarded> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "guard", self.signal]).arg(self.remove.unwrap_or_default());
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        if let Some(log) = self.log {
            shell.stdout(log.try_clone()?).stderr(log);
        }
        let mut child = shell.stdin(Stdio::piped()).process_group(0).spawn().context("starting /bin/sh")?;
        let lifeline = child.stdin.take();
        Ok(Guarded { child, lifeline })
    }
}

/// A running child.
pub(crate) struct Guarded {
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl Guarded {
    /// How the child ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for the child to end by itself. Its lifeline stays open meanwhile.
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        // `Child::wait` closes only a stdin that it owns: the lifeline has been taken out.
        Ok(self.child.wait()?)
    }

    /// Ends the child and waits until everything after it is cleaned up.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> Result<ExitStatus> {
        self.lifeline = None;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        let group = self.child.id().to_string();
        Command::new("/bin/sh").args(["-c", "kill -s KILL -- \"-$1\"", "kill", &group]).status()?;
        self.child.wait()?;
        bail!("a child did not end within {} s and was killed", PATIENCE.as_secs());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("xtask: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{env, fs, os::unix::process::ExitStatusExt, process::Command};

    use super::Guard;
    use crate::random;

    #[test]
    fn stopping_signals_the_child_and_removes_the_folder() {
        let folder = env::temp_dir().join(format!("missive-guard-{}", random::hex(8).unwrap()));
        fs::create_dir(&folder).unwrap();
        let guard = Guard::new("TERM").remove(folder.clone());
        let mut running = guard.start(Command::new("sleep").arg("600")).unwrap();
        assert!(running.ended().unwrap().is_none());
        let status = running.stop().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(128 + 15), None));
        assert!(!folder.exists());
    }

    #[test]
    fn a_child_that_ends_by_itself_keeps_its_code() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit \"$CODE\""]).env("CODE", "7");
        assert_eq!(Guard::new("TERM").start(&command).unwrap().wait().unwrap().code(), Some(7));
    }
}
