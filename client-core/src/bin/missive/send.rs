//! `missive send`.

use std::io::Read as _;

use client_core::{
    Client, Connection, Error, Event, Reconnect, SignalError,
    wire::{Address, MessageId, State},
};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::{
    args::{Global, Send},
    failure::Failure,
    output::{Output, state_name},
    secrets,
};

/// More is no message.
const TEXT_MAX_BYTES: u64 = 1024 * 1024;

pub(crate) async fn send(global: &Global, output: &Output, args: Send) -> Result<(), Failure> {
    let account = secrets::account(global)?;
    let options = secrets::options(global, Some(&account))?;
    let to = Address::parse_on(&args.address, &account.server).map_err(Error::from)?;
    let text = text(args.text)?;
    let deadline = Instant::now() + args.timeout;
    let client = Client::open(&options, &account).await?;
    let connection = match client.connect(Reconnect::Never).await {
        Ok(connection) => Ok(connection),
        // Without a connection it is kept, where that needs no answer from the homeserver.
        Err(error) if error.is_temporary() => Err(error),
        Err(error) => return Err(error.into()),
    };
    let id = compose(&client, &to, &text, args.accept_new_identity).await?;
    let mut connection = connection.map_err(Failure::Kept)?;
    let outcome = wait(&mut connection, output, id, args.wait.state(), deadline).await;
    connection.close().await;
    let state = outcome?;
    output.line(state_name(state), &json!({"id": id, "receiver": to, "state": state}));
    Ok(())
}

async fn compose(client: &Client, to: &Address, text: &str, accept: bool) -> Result<MessageId, Error> {
    match client.send(to, text).await {
        Err(Error::Signal(SignalError::IdentityChanged(_))) if accept => {
            client.accept_identity(to).await?;
            client.send(to, text).await
        }
        result => result,
    }
}

/// Waits for a state; messages that come meanwhile are stored, and stand in the history.
async fn wait(
    connection: &mut Connection,
    output: &Output,
    id: MessageId,
    wanted: State,
    deadline: Instant,
) -> Result<State, Failure> {
    loop {
        let Ok(event) = timeout_at(deadline, connection.next()).await else {
            let text = "the message did not come that far in time; it is kept and goes on with the next connection";
            return Err(Failure::Timeout(text.into()));
        };
        match event {
            Some(Event::Status(change)) if change.id == id => match change.state {
                State::Undeliverable => return Err(Failure::Undeliverable(change.code)),
                state if state >= wanted => return Ok(state),
                _ => {}
            },
            Some(Event::Error { error, .. }) => output.remark(&error, "error"),
            Some(Event::Closed(closed)) => return Err(Failure::Closed(closed)),
            None => return Err(Failure::Kept(Error::Unreachable("the connection ended".into()))),
            Some(_) => {}
        }
    }
}

fn text(argument: Option<String>) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text,
        _ => {
            let mut text = String::new();
            let read = std::io::stdin().take(TEXT_MAX_BYTES).read_to_string(&mut text);
            read.map_err(|error| Failure::Io(format!("stdin cannot be read: {error}")))?;
            text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
        }
    };
    if text.is_empty() { Err(Failure::Usage("there is nothing to send".into())) } else { Ok(text) }
}
