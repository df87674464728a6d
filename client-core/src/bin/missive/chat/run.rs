//! The loop: draw, then wait for a key, an event, an answer, the time, or a signal.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use client_core::{Connection, Event};
use crossterm::event::{Event as Input, EventStream};
use futures_util::{StreamExt as _, future::poll_immediate};
use tokio::time::{sleep_until, timeout};

use super::{exchange::Effect, model::Model, screen::Screen, work::Work};
use crate::failure::Failure;

/// So much is taken in between two drawings, when it comes all at once.
const AT_ONCE: usize = 256;

/// Keys that follow each other faster were not typed by hand, and are drawn together. Nobody sees a delay that short.
const BURST: Duration = Duration::from_millis(1);

/// Runs until the user leaves, or the connection or the storage is gone for good.
pub(super) async fn run(
    screen: &mut Screen,
    model: &mut Model,
    work: &mut Work,
    connection: &mut Connection,
) -> Result<(), Failure> {
    let mut keys = EventStream::new();
    let mut signals = Signals::new()?;
    while !model.left {
        screen.draw(model)?;
        model.seen();
        for effect in model.take_effects() {
            match effect {
                Effect::Redraw => screen.clear()?,
                effect => work.begin(effect),
            }
        }
        let deadline = model.deadline();
        tokio::select! {
            key = keys.next() => {
                input(model, key)?;
                for _ in 0..AT_ONCE {
                    let Ok(key) = timeout(BURST, keys.next()).await else { break };
                    input(model, key)?;
                }
            }
            event = connection.next() => {
                happen(model, event)?;
                for _ in 0..AT_ONCE {
                    let Some(event) = poll_immediate(connection.next()).await else { break };
                    happen(model, event)?;
                }
            }
            answer = work.next() => model.answer(answer?, Instant::now()),
            () = until(deadline) => model.tick(Instant::now()),
            () = signals.next() => return Ok(()),
        }
    }
    Ok(())
}

fn input(model: &mut Model, input: Option<std::io::Result<Input>>) -> Result<(), Failure> {
    match input.transpose()? {
        Some(Input::Key(key)) => model.press(key, Instant::now()),
        Some(Input::Paste(text)) => model.paste(&text, Instant::now()),
        // Drawing asks for the size.
        Some(_) => {}
        None => return Err(Failure::Io("the terminal is gone".into())),
    }
    Ok(())
}

fn happen(model: &mut Model, event: Option<Event>) -> Result<(), Failure> {
    match event {
        Some(Event::Closed(closed)) => Err(Failure::Closed(closed)),
        Some(event) => {
            model.event(event, Instant::now());
            Ok(())
        }
        None => Err(Failure::Io("the connection has ended".into())),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// Being asked to end: SIGTERM, SIGHUP when the terminal goes, SIGINT. (Ctrl-C is a key here.)
struct Signals {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
        let [terminate, hangup, interrupt] = kinds.map(signal);
        Ok(Self { signals: [terminate?, hangup?, interrupt?] })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [terminate, hangup, interrupt] = &mut self.signals;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
