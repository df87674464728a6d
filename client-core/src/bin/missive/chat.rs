//! `missive chat`: conversations on a whole screen.

mod exchange;
pub(crate) mod keys;
mod model;
mod rows;
mod run;
mod screen;
mod text;
mod view;
mod work;

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use client_core::Reconnect;
use tokio::time::timeout;

use crate::{
    args::{Chat, Global},
    failure::Failure,
    output::Output,
    place::Place,
    who::Who,
};
use model::Model;
use work::Work;

/// How long what was begun, and the connection's last words, may take when one leaves.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) async fn chat(global: &Global, output: &Output, args: Chat) -> Result<(), Failure> {
    check(global)?;
    let who = args.who.map(|who| Who::read(global, &who)).transpose()?;
    let place = Place::find(global).await?;
    let client = place.client().await?;
    let start = match who {
        Some(who) => Some(who.of(client.account()).await?),
        None => None,
    };
    let mut connection = client.connect(Reconnect::Always).await?;
    let mut work = Work::new(&client);
    let mut model = Model::new(place.address().clone(), (0, 0), Instant::now());
    if let Some(peer) = start {
        model.open(&peer);
    }
    let outcome =
        screen::on_screen(async |screen| run::run(screen, &mut model, &mut work, &mut connection).await).await;
    let farewell = async {
        while let Some(answer) = work.finish().await {
            model.answer(answer, Instant::now());
        }
        connection.close().await;
    };
    // Whatever is left is done over the next connection.
    let _ = timeout(FAREWELL, farewell).await;
    // Whoever leaves knows what they leave; an end that comes by itself takes nothing along.
    let lost = if model.left { model.outbox.all().collect() } else { model.unsent() };
    for (peer, text) in lost {
        output.remark(&format!("not sent to {peer}: {text}"), "unsent");
    }
    outcome
}

/// A screen needs a terminal that nothing else writes to.
fn check(global: &Global) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.into()));
    if global.json {
        return usage("`missive chat` is for a person; programs use `missive send` and `missive listen --json`");
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return usage("`missive chat` needs a terminal: use `missive send` and `missive listen` without one");
    }
    if std::env::var_os("MISSIVE_LOG").is_some() && std::io::stderr().is_terminal() {
        return usage("the log would go over the screen: put it into a file, `missive chat 2>missive.log`");
    }
    Ok(())
}
