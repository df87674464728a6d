//! `missive send`.

use std::io::{IsTerminal as _, Read as _};

use client_core::{
    Account, Client, Closed, Connection, Error, Event, Reconnect, SignalError, StorageError,
    wire::{Address, MessageId, State},
};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::{
    args::{Global, Send},
    failure::Failure,
    output::{Output, held_by, sent_as},
    place::Place,
    who::Who,
};

/// More is no message.
const TEXT_MAX_BYTES: u64 = 1024 * 1024;

/// How often it is looked how far a message has come that another process sends.
const LOOK: Duration = Duration::from_millis(50);

/// How often it is looked whether that process still has the account open.
const LOOKS_A_CHECK: u32 = 10;

pub(crate) async fn send(global: &Global, output: &Output, args: Send) -> Result<(), Failure> {
    let who = Who::read(global, &args.who)?;
    let mut place = Place::find(global).await?;
    // A process that has the account open, a chat or a listener, does it for us.
    place.options.patience = Duration::ZERO;
    let to = who.at(&place).await?;
    let text = text(args.text, output)?;
    let deadline = Instant::now() + args.timeout;
    let letter = Letter { to, text, accept: args.accept_new_identity, wanted: args.wait.state(), deadline };
    let (id, state) = loop {
        let sent = match place.client().await {
            Ok(client) => letter.send(&client, output).await,
            Err(failure) if is_open_elsewhere(&failure) => letter.hand_over(&place, output).await,
            Err(failure) => Err(failure),
        };
        match sent {
            Err(Failure::Client(Error::OwnerGone)) if Instant::now() < deadline => {}
            result => break result?,
        }
    };
    let mut value = json!({"id": id, "receiver": letter.to, "state": state});
    if let Some(servers) = held_by(place.address(), &letter.to, Some(state)) {
        value["heldBy"] = json!(servers);
    }
    output.line(&sent_as(place.address(), &letter.to, state), &value);
    Ok(())
}

/// What is to be sent, and how far it should come until when.
struct Letter {
    to: Address,
    text: String,
    accept: bool,
    wanted: State,
    deadline: Instant,
}

impl Letter {
    async fn send(&self, client: &Client, output: &Output) -> Result<(MessageId, State), Failure> {
        let connection = match client.connect(Reconnect::Never).await {
            Ok(connection) => Ok(connection),
            // Without a connection it is kept, where that needs no answer from the homeserver.
            Err(error) if error.is_temporary() => Err(error),
            Err(error) => return Err(error.into()),
        };
        let id = self.compose(client).await?;
        let state = self.follow(client, connection.map_err(Failure::Kept)?, output, id).await?;
        Ok((id, state))
    }

    async fn follow(
        &self,
        client: &Client,
        mut connection: Connection,
        output: &Output,
        id: MessageId,
    ) -> Result<State, Failure> {
        // It may have come that far before this process had the account.
        let outcome = match self.reached(client.account(), id).await {
            Ok(None) => self.wait(&mut connection, output, id).await,
            Ok(Some(state)) => Ok(state),
            Err(failure) => Err(failure),
        };
        connection.close().await;
        outcome
    }

    /// The state that a message has reached, if it is far enough.
    async fn reached(&self, account: &Account, id: MessageId) -> Result<Option<State>, Failure> {
        let message = account.sent(id).await?;
        match message.as_ref().and_then(|message| message.state) {
            Some(State::Undeliverable) => Err(Failure::Undeliverable(message.and_then(|message| message.code))),
            state => Ok(state.filter(|state| *state >= self.wanted)),
        }
    }

    async fn compose(&self, client: &Client) -> Result<MessageId, Error> {
        match client.send(&self.to, &self.text).await {
            Err(Error::Signal(SignalError::IdentityChanged(_))) if self.accept => {
                client.accept_identity(&client.safety_number(&self.to).await?).await?;
                client.send(&self.to, &self.text).await
            }
            result => result,
        }
    }

    /// Waits for a state; messages that come meanwhile are unread ones of the next listener.
    async fn wait(&self, connection: &mut Connection, output: &Output, id: MessageId) -> Result<State, Failure> {
        loop {
            let next = timeout_at(self.deadline, connection.next()).await;
            match next.map_err(|_| out_of_time())? {
                Some(Event::Status(change)) if change.id == id => match change.state {
                    State::Undeliverable => return Err(Failure::Undeliverable(change.code)),
                    state if state >= self.wanted => return Ok(state),
                    _ => {}
                },
                Some(Event::IdentityChanged(address)) if address == self.to => {
                    return Err(Error::from(SignalError::IdentityChanged(address)).into());
                }
                Some(Event::Error { error, .. }) => output.remark(&error, "error"),
                Some(Event::Closed(closed)) => return Err(kept(closed)),
                None => return Err(Failure::Kept(Error::Unreachable("the connection ended".into()))),
                Some(_) => {}
            }
        }
    }

    /// Has the process that has the account open send it, and looks on; goes on in its place if it ends.
    async fn hand_over(&self, place: &Place, output: &Output) -> Result<(MessageId, State), Failure> {
        let account = place.account().await?;
        let id = account.hand_over(&self.to, &self.text, self.accept, self.deadline).await?;
        for look in 1_u32.. {
            if let Some(state) = self.reached(&account, id).await? {
                return Ok((id, state));
            }
            if Instant::now() >= self.deadline {
                break;
            }
            sleep(LOOK).await;
            if look % LOOKS_A_CHECK == 0 {
                match place.client().await {
                    Ok(client) => {
                        let connection = client.connect(Reconnect::Never).await.map_err(Failure::Kept)?;
                        return Ok((id, self.follow(&client, connection, output, id).await?));
                    }
                    Err(failure) if is_open_elsewhere(&failure) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(out_of_time())
    }
}

fn is_open_elsewhere(failure: &Failure) -> bool {
    matches!(failure, Failure::Client(Error::Storage(StorageError::Locked { .. })))
}

/// The message is in the outbox whatever ended the connection.
fn kept(closed: Closed) -> Failure {
    match closed {
        Closed::Code(Closed::SESSION_ENDED | Closed::ELSEWHERE, _) => Failure::Closed(closed),
        Closed::Error(error) if !error.is_temporary() => Failure::Closed(Closed::Error(error)),
        closed => Failure::Kept(Error::Unreachable(closed.to_string())),
    }
}

fn out_of_time() -> Failure {
    let text = "the message did not come that far in time; it is kept and goes on with the next connection";
    Failure::Timeout(text.into())
}

fn text(argument: Option<String>, output: &Output) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text,
        _ => {
            if std::io::stdin().is_terminal() {
                output.remark("Write the message; Ctrl-D on an empty line sends it, Ctrl-C does not.", "prompt");
            }
            let mut text = String::new();
            let read = std::io::stdin().take(TEXT_MAX_BYTES).read_to_string(&mut text);
            read.map_err(|error| Failure::Io(format!("stdin cannot be read: {error}")))?;
            text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
        }
    };
    if text.is_empty() { Err(Failure::Usage("there is nothing to send".into())) } else { Ok(text) }
}
