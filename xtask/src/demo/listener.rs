//! A terminal client that listens, observed from outside.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// Longer than the client itself waits.
const PATIENCE: Duration = Duration::from_secs(90);

/// The running client and the lines that it prints.
pub(crate) struct Listener {
    child: Child,
    lines: Receiver<String>,
}

impl Listener {
    /// Starts the client; its complaints go to the terminal.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting to listen")?;
        let output = child.stdout.take().context("no output to read")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                println!("{line}");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Waits for the client to say that it is connected and has everything that waited for it.
    pub(crate) fn wait_online(&self) -> Result<()> {
        self.line("\"type\":\"drained\"").map(drop)
    }

    /// Waits for the line of a message and for the client's own end, before which it acknowledges the message.
    pub(crate) fn message(mut self) -> Result<String> {
        let message = self.line("\"text\":")?;
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        let status = self.ended()?;
        ensure!(status.success(), "the listening client failed ({status})");
        Ok(message)
    }

    /// Waits for the client to say that a message has come that far.
    pub(crate) fn status(&self, state: &str) -> Result<()> {
        self.line(&format!("\"state\":\"{state}\"")).map(drop)
    }

    /// Ends the client as Ctrl-C would.
    pub(crate) fn end(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("/bin/sh").args(["-c", "kill -s TERM \"$1\"", "kill", &id]).status()?;
        let status = self.ended()?;
        ensure!(status.success(), "the listening client failed ({status})");
        Ok(())
    }

    fn ended(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("the listening client did not end when it should");
    }

    fn line(&self, part: &str) -> Result<String> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.with_context(|| format!("the listening client ended without a line with {part}"))?;
            if line.contains(part) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It has ended by itself unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
