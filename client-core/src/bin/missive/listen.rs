//! `missive listen`.

use client_core::{Account, Client, Connection, Event, Reconnect, StoredMessage, wire::Address};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::{
    args::{Global, Listen},
    failure::Failure,
    interrupt::interrupted,
    output::{DIM, ODD, Output, called, paint, printable},
    place::Place,
};

pub(crate) async fn listen(global: &Global, output: &Output, args: Listen) -> Result<(), Failure> {
    let client = Place::find(global).await?.client().await?;
    let mut listener = Listener { account: client.account(), output, read: args.read, left: args.count };
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    listener.show_unread().await?;
    listener.connected(&client, deadline).await
}

/// Shows what comes.
struct Listener<'a> {
    account: &'a Account,
    output: &'a Output,
    /// Whether the senders are told.
    read: bool,
    /// How many messages are still to come.
    left: Option<u64>,
}

impl Listener<'_> {
    /// What came during another command has been shown to nobody.
    async fn show_unread(&mut self) -> Result<(), Failure> {
        let count = self.account.count_unread().await?;
        if count > 0 {
            self.output.heading(&format!("{count} unread"));
        }
        let mut after = 0;
        while self.left != Some(0) {
            let unread = self.account.unread(after).await?;
            let Some((last, _)) = unread.last() else { break };
            after = *last;
            for (_, message) in unread {
                if self.left != Some(0) {
                    self.message(&message).await?;
                }
            }
        }
        Ok(())
    }

    async fn connected(&mut self, client: &Client, deadline: Option<Instant>) -> Result<(), Failure> {
        let mut connection = client.connect(Reconnect::Always).await?;
        let outcome = self.follow(&mut connection, deadline).await;
        connection.close().await;
        outcome
    }

    async fn follow(&mut self, connection: &mut Connection, deadline: Option<Instant>) -> Result<(), Failure> {
        let interrupted = interrupted();
        tokio::pin!(interrupted);
        while self.left != Some(0) {
            let event = tokio::select! {
                event = connection.next() => event,
                () = &mut interrupted => return Ok(()),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return match self.left {
                        Some(left) => Err(Failure::Timeout(format!("out of time: {left} messages are missing"))),
                        None => Ok(()),
                    };
                }
            };
            match event {
                Some(Event::Message(message)) => self.message(&message).await?,
                Some(Event::Closed(closed)) => return Err(Failure::Closed(closed)),
                Some(other) => self.show(&other).await?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Shown, it is not unread any more; a crash in between shows it twice, never not at all.
    async fn message(&mut self, message: &StoredMessage) -> Result<(), Failure> {
        let petname = self.petname(&message.peer).await?;
        self.output.message(self.account.address(), message, petname.as_deref())?;
        self.left = self.left.map(|left| left - 1);
        let shown = [message];
        let marked =
            if self.read { self.account.mark_read(&shown).await } else { self.account.mark_shown(&shown).await };
        Ok(marked?)
    }

    async fn show(&self, event: &Event) -> Result<(), Failure> {
        let output = self.output;
        match event {
            Event::Status(change) => {
                let petname = self.petname(&change.receiver).await?;
                output.status(self.account.address(), change, petname.as_deref());
            }
            Event::Connected { pending } => {
                let text = paint(DIM, format!("Connected; {pending} waiting"));
                output.line(&text, &json!({"type": "connected", "pending": pending}));
            }
            Event::Drained => output.line(&paint(DIM, "Up to date"), &json!({"type": "drained"})),
            Event::Error { code, error, id } => {
                let value = json!({"type": "error", "code": code, "error": error, "id": id});
                output.line(&printable(error), &value);
            }
            Event::IdentityChanged(address) => {
                let who = called(address, self.petname(address).await?.as_deref());
                let text = format!(
                    "The identity key of {who} has changed, and what you wrote to them waits: compare the safety \
                     number, end this listener, and accept it: missive safety-number {address} --accept"
                );
                output.line(&paint(ODD, text), &json!({"type": "identityChanged", "address": address}));
            }
            Event::Disconnected { error, retry_in } => {
                let text = format!("Offline: {error}; trying again in {:.1} s", retry_in.as_secs_f64());
                output.remark(&text, "offline");
            }
            _ => {}
        }
        Ok(())
    }

    async fn petname(&self, address: &Address) -> Result<Option<String>, Failure> {
        Ok(self.account.contact(address).await?.petname)
    }
}
