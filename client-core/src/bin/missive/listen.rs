//! `missive listen`.

use client_core::{Client, Connection, Event, Reconnect};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::{
    args::{Global, Listen},
    failure::Failure,
    output::{Output, printable},
    secrets,
};

pub(crate) async fn listen(global: &Global, output: &Output, args: Listen) -> Result<(), Failure> {
    let account = secrets::account(global)?;
    let options = secrets::options(global, Some(&account))?;
    let client = Client::open(&options, &account).await?;
    let output = output.of(&account);
    let mut connection = client.connect(Reconnect::Always).await?;
    let outcome = follow(&client, &mut connection, &output, &args).await;
    connection.close().await;
    outcome
}

async fn follow(client: &Client, connection: &mut Connection, output: &Output, args: &Listen) -> Result<(), Failure> {
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut left = args.count;
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
                output.message(&message);
                if args.read {
                    client.mark_read(&[&message]).await?;
                }
                left = left.map(|left| left - 1);
            }
            Some(Event::Closed(closed)) => return Err(Failure::Closed(closed)),
            Some(other) => show(output, &other),
            None => return Ok(()),
        }
    }
    Ok(())
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
