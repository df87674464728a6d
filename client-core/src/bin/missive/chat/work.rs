//! What takes a while is done beside the screen.

use std::future::pending;

use client_core::{Client, Error, SignalError, wire::Address};
use tokio::task::JoinSet;

use super::exchange::{Answer, Contact, Conversation, Effect, Found, Note, PAGE, Safety, Why};
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

    /// Waits for what was begun.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Whether nothing can go on after it: those of authentication and of the storage.
fn ends(error: &Error) -> bool {
    matches!(crate::failure::client(error).1, 3 | 6)
}

async fn perform(client: &Client, effect: Effect) -> Result<Answer, Error> {
    let _ = (client, effect, PAGE);
    Ok(Answer::Read)
}
