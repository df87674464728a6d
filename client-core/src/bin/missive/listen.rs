//! `missive listen`.

use client_core::{Client, Connection, Event, Reconnect, StoredMessage};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::{
    args::{Global, Listen},
    failure::Failure,
    output::{Output, printable},
    place::Place,
};

pub(crate) async fn listen(global: &Global, output: &Output, args: Listen) -> Result<(), Failure> {
    let place = Place::find(global).await?;
    let client = place.client().await?;
    let output = output.of(place.address());
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let left = show_unread(&client, &output, &args).await?;
    let mut connection = client.connect(Reconnect::Always).await?;
    let outcome = follow(&client, &mut connection, &output, &args, left, deadline).await;
    connection.close().await;
    outcome
}

/// What came during another command has been shown to nobody. Says how many messages are still to come.
async fn show_unread(client: &Client, output: &Output, args: &Listen) -> Result<Option<u64>, Failure> {
    let (mut left, mut after) = (args.count, 0);
    while left != Some(0) {
        let unread = client.account().unread(after).await?;
        let Some((last, _)) = unread.last() else { break };
        after = *last;
        for (_, message) in unread {
            if left != Some(0) {
                show_message(client, output, &message, args.read).await?;
                left = left.map(|left| left - 1);
            }
        }
    }
    Ok(left)
}

async fn follow(
    client: &Client,
    connection: &mut Connection,
    output: &Output,
    args: &Listen,
    mut left: Option<u64>,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    while left != Some(0) {
        let event = tokio::select! {
            event = connection.next() => event,
            () = &mut interrupted => return Ok(()),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                return match left {
                    Some(left) => Err(Failure::Timeout(format!("out of time: {left} messages are missing"))),
                    None => Ok(()),
                };
            }
        };
        match event {
            Some(Event::Message(message)) => {
                show_message(client, output, &message, args.read).await?;
                left = left.map(|left| left - 1);
            }
            Some(Event::Closed(closed)) => return Err(Failure::Closed(closed)),
            Some(other) => show(output, &other),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Shown, it is not unread any more; a crash in between shows it twice, never not at all.
async fn show_message(client: &Client, output: &Output, message: &StoredMessage, read: bool) -> Result<(), Failure> {
    output.message(message);
    let account = client.account();
    let marked = if read { account.mark_read(&[message]).await } else { account.mark_shown(&[message]).await };
    Ok(marked?)
}

fn show(output: &Output, event: &Event) {
    match event {
        Event::Status(change) => output.status(change),
        Event::Connected { pending } => {
            let text = format!("Connected; {pending} waiting");
            output.line(&text, &json!({"type": "connected", "pending": pending}));
        }
        Event::Drained => output.line("Up to date", &json!({"type": "drained"})),
        Event::Error { code, error, id } => {
            let value = json!({"type": "error", "code": code, "error": error, "id": id});
            output.line(&printable(error), &value);
        }
        Event::IdentityChanged(address) => {
            let text = format!("The identity key of {address} has changed: what you wrote to them waits");
            output.line(&text, &json!({"type": "identityChanged", "address": address}));
        }
        Event::Disconnected { error, retry_in } => {
            let text = format!("Offline: {error}; trying again in {:.1} s", retry_in.as_secs_f64());
            output.remark(&text, "offline");
        }
        _ => {}
    }
}

/// Ctrl-C, or being asked to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
