//! What takes a while is done beside the screen.

use std::future::pending;

use client_core::{Client, Error, SafetyNumber, SignalError, wire::Address};
use tokio::task::JoinSet;

use super::exchange::{Answer, Effect, FRESH, Found, Note, Safety, Why};
use crate::failure::Failure;

/// What was begun and is not done.
pub(super) struct Work {
    client: Client,
    tasks: JoinSet<Result<Answer, Error>>,
}

impl Work {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), tasks: JoinSet::new() }
    }

    pub(super) fn begin(&mut self, effect: Effect) {
        let client = self.client.clone();
        self.tasks.spawn(async move { perform(&client, effect).await });
    }

    /// The next answer. An error is one that ends everything: the session or the storage is gone. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Answer, Failure> {
        match self.tasks.join_next().await {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(error))) if ends(&error) => Err(error.into()),
            Some(Ok(Err(error))) => Ok(Answer::Failed(error.to_string())),
            Some(Err(error)) => Err(Failure::Io(format!("something has failed underneath: {error}"))),
            None => pending().await,
        }
    }

    /// The next answer of what was begun, until there is none left.
    pub(super) async fn finish(&mut self) -> Option<Answer> {
        loop {
            if let Ok(Ok(answer)) = self.tasks.join_next().await? {
                return Some(answer);
            }
        }
    }
}

/// Whether nothing can go on after it: those of authentication and of the storage.
fn ends(error: &Error) -> bool {
    matches!(crate::failure::client(error).1, 3 | 6)
}

async fn perform(client: &Client, effect: Effect) -> Result<Answer, Error> {
    let account = client.account();
    Ok(match effect {
        Effect::List => {
            Answer::List { conversations: account.conversations().await?, contacts: account.contacts().await? }
        }
        Effect::Page { peer, before, limit } => {
            Answer::Page { rows: account.history_before(&peer, before, limit).await?, peer, before, limit }
        }
        Effect::Contact(peer) => Answer::Contact(account.contact(&peer).await?),
        Effect::Send { peer, ticket, text } => match client.send(&peer, &text).await {
            Ok(_) => Answer::Sent { ticket, rows: account.history_before(&peer, None, FRESH).await?, peer },
            Err(error) => Answer::NotSent { peer, ticket, why: why(error)? },
        },
        Effect::Read(messages) => {
            account.mark_read(&messages.iter().collect::<Vec<_>>()).await?;
            Answer::Read
        }
        Effect::Find(text) => Answer::Found { found: find(client, &text).await?, text },
        Effect::Safety(peer) => Answer::Safety { number: safety(client, &peer).await?, peer },
        Effect::Accept(peer, digits) => match accept(client, &peer, &digits).await {
            Err(Error::OtherIdentity(_)) => Answer::OtherKey(peer),
            accepted => accepted.map(|()| Answer::Accepted(peer))?,
        },
        Effect::Note(peer, note) => match take_note(client, &peer, note).await {
            Err(Error::OtherIdentity(_)) => Answer::OtherKey(peer),
            noted => noted.map(|()| Answer::Noted(peer))?,
        },
        // The screen does that itself.
        Effect::Redraw => Answer::Read,
    })
}

async fn accept(client: &Client, peer: &Address, digits: &str) -> Result<(), Error> {
    client.accept_identity(&shown(client, peer, digits).await?).await?;
    Ok(())
}

async fn take_note(client: &Client, peer: &Address, note: Note) -> Result<(), Error> {
    let account = client.account();
    match note {
        Note::Petname(petname) => account.set_petname(peer, petname.as_deref()).await,
        Note::Verified(digits) => account.verify(&shown(client, peer, &digits).await?).await,
        Note::NotVerified => account.unverify(peer).await,
        Note::Blocked(blocked) => account.set_blocked(peer, blocked).await,
    }
}

/// The safety number that a person has seen, and none about a key that has come since.
async fn shown(client: &Client, peer: &Address, digits: &str) -> Result<SafetyNumber, Error> {
    let number = client.safety_number(peer).await?;
    if number.digits() == digits { Ok(number) } else { Err(Error::OtherIdentity(peer.clone())) }
}

fn why(error: Error) -> Result<Why, Error> {
    match error {
        Error::Signal(SignalError::IdentityChanged(_)) => Ok(Why::Key),
        error if ends(&error) => Err(error),
        error if error.is_temporary() => Ok(Why::Temporary(error.to_string())),
        error => Ok(Why::Final(error.to_string())),
    }
}

async fn find(client: &Client, text: &str) -> Result<Result<Found, String>, Error> {
    let found = client.account().search(text).await;
    told(
        found
            .map(|found| Found { users: found.users.into_iter().map(|user| user.address).collect(), more: found.more }),
    )
}

async fn safety(client: &Client, peer: &Address) -> Result<Result<Safety, String>, Error> {
    let number = client.safety_number(peer).await;
    told(number.map(|number| Safety {
        groups: number.groups().into_iter().map(str::to_owned).collect(),
        changed: number.changed(),
    }))
}

/// A failure that is shown where the answer would be, unless it ends everything.
fn told<T>(result: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match result {
        Err(error) if ends(&error) => Err(error),
        result => Ok(result.map_err(|error| error.to_string())),
    }
}
