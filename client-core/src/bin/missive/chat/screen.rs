//! The terminal, taken over and always given back.

use std::{
    io::{self, BufWriter, Stdout, stdout},
    panic::{AssertUnwindSafe, resume_unwind, set_hook, take_hook},
    sync::{Arc, Mutex, PoisonError},
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use futures_util::FutureExt as _;
use ratatui::{Terminal, backend::CrosstermBackend};

use super::{
    model::Model,
    view::{self, Theme},
};
use crate::{failure::Failure, output::printable};

/// A screen that changes goes out in one piece, so that no half of it is seen, nor the cursor on its way.
const FRAME_BYTES: usize = 64 * 1024;

/// The whole screen, until it is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    theme: Theme,
    _guard: Guard,
}

/// Gives the terminal back when dropped.
struct Guard;

/// Runs something on the whole screen. Whatever ends it, also a panic, the terminal is given back before anything is
/// said. A panic elsewhere, which others catch, does not reach the screen.
pub(super) async fn on_screen(run: impl AsyncFnOnce(&mut Screen) -> Result<(), Failure>) -> Result<(), Failure> {
    let last_words = Arc::new(Mutex::new(String::new()));
    let previous = take_hook();
    let ear = last_words.clone();
    set_hook(Box::new(move |panic| *ear.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()));
    let running = async {
        let mut screen = Screen::enter()?;
        run(&mut screen).await
    };
    let outcome = AssertUnwindSafe(running).catch_unwind().await;
    set_hook(previous);
    outcome.unwrap_or_else(|panic| {
        eprintln!("missive: {}", printable(&last_words.lock().unwrap_or_else(PoisonError::into_inner)));
        resume_unwind(panic)
    })
}

impl Screen {
    fn enter() -> Result<Self, Failure> {
        let guard = Guard::enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, stdout())))?;
        Ok(Self { terminal, theme: Theme::of_environment(), _guard: guard })
    }

    /// Shows the model, in the size that the terminal has now.
    pub(super) fn draw(&mut self, model: &mut Model) -> Result<(), Failure> {
        #[cfg(debug_assertions)]
        assert!(std::env::var_os("MISSIVE_FAULT").is_none_or(|point| point != "draw"), "a test asks for a panic");
        self.terminal.draw(|frame| {
            let area = frame.area();
            model.resize(area.width, area.height);
            view::draw(frame, model, self.theme);
        })?;
        Ok(())
    }

    /// Draws everything anew the next time.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        Ok(self.terminal.clear()?)
    }
}

impl Guard {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let guard = Self;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Where the terminal has gone, there is nothing to give back.
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(format!("the terminal: {error}"))
    }
}
