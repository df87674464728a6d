//! A program in a pseudo-terminal, and what its screen shows.

use std::{
    io::{Read as _, Write},
    num::NonZero,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// Whatever is waited for comes sooner, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program in a terminal; killed when dropped.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    /// Everything the program wrote.
    pub raw: Vec<u8>,
    /// The terminal's settings before it ran.
    settings: String,
}

impl Terminal {
    /// Runs a program in a terminal of that size.
    pub fn run(command: CommandBuilder, (columns, rows): (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let settings = settings(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        let keyboard = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A pseudo-terminal whose program has ended reads as an error.
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        Self { child, master: pair.master, keyboard, output, parser, raw: Vec::new(), settings }
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// What the screen shows.
    pub fn text(&self) -> String {
        self.screen().contents()
    }

    /// Types, as a keyboard sends it.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Pastes, as a terminal with bracketed paste does.
    pub fn paste(&mut self, text: &str) {
        assert!(self.screen().bracketed_paste(), "the program knows pasted text");
        self.keys(&format!("\u{1b}[200~{text}\u{1b}[201~"));
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub fn see(&mut self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// Waits until the screen does not show a text.
    #[track_caller]
    pub fn miss(&mut self, text: &str) {
        self.wait(&format!("no {text}"), |screen| !screen.contents().contains(text));
    }

    /// Waits until the screen is as wanted, looking whenever something was written.
    #[track_caller]
    pub fn wait(&mut self, what: &str, is: impl Fn(&vt100::Screen) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is(self.screen()) {
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("the screen does not show {what}:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the program has ended before the screen showed {what}:\n{}", self.text())
                }
            }
        }
    }

    /// Waits until the program has changed the terminal's settings, so that what is typed is not shown.
    pub fn wait_until_hidden(&self) {
        let until = Instant::now() + PATIENCE;
        while settings(&*self.master) == self.settings {
            assert!(Instant::now() < until, "what is typed would be shown");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the program's end: its exit code. What it wrote last is on the screen.
    #[track_caller]
    pub fn ended(&mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("the program does not end:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().exit_code(),
            }
        }
    }

    /// As [`Terminal::ended`], and the terminal is as it was before.
    #[track_caller]
    pub fn ended_and_restored(&mut self) -> u32 {
        let code = self.ended();
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "{}", self.text());
        assert!(!screen.bracketed_paste() && !screen.hide_cursor(), "{}", self.text());
        assert_eq!(settings(&*self.master), self.settings);
        code
    }

    /// The row and column where a text begins, in cells.
    #[track_caller]
    pub fn find(&self, text: &str) -> (u16, u16) {
        let (rows, columns) = self.screen().size();
        let (rows, columns) = (rows.get(), columns.get());
        for row in 0..rows {
            let behind = |from: u16| (from..columns).filter_map(move |column| self.screen().cell(row, column));
            let begins = |from: u16| behind(from).map(shown).collect::<String>().starts_with(text);
            if let Some(column) = (0..columns).find(|column| begins(*column)) {
                return (row, column);
            }
        }
        panic!("not on the screen: {text}\n{}", self.text())
    }

    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.parser.process(bytes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the screen ---\n{}", self.text());
        }
    }
}

/// What a person sees in a cell.
fn shown(cell: &vt100::Cell) -> &str {
    match cell.contents() {
        "" if cell.is_wide_continuation() => "",
        "" => " ",
        contents => contents,
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}
