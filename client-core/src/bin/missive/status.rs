//! `missive status`.

use std::time::Duration;

use client_core::{Account, Error, wire::KeyCount};
use serde_json::{Value, json};

use crate::{
    args::Global,
    failure::Failure,
    identity::{Published, left, left_text},
    output::{BAD, GOOD, Output, STRONG, paint},
    place::Place,
};

/// How an account is.
struct Status<'a> {
    account: &'a Account,
    reached: Result<Duration, Error>,
    /// As far as can be told.
    is_logged_in: bool,
    own: Option<Vec<u8>>,
    keys: Result<KeyCount, Error>,
    outgoing: u64,
    unread: u64,
    is_open_elsewhere: bool,
}

pub(crate) async fn status(global: &Global, output: &Output) -> Result<(), Failure> {
    let place = Place::find(global).await?;
    let account = place.account().await?;
    let is_open_elsewhere = place.namespace.is_open().map_err(Error::from)?;
    let status = Status::of(&account, is_open_elsewhere).await?;
    output.line(&status.text(), &status.value());
    status.verdict()
}

impl<'a> Status<'a> {
    async fn of(account: &'a Account, is_open_elsewhere: bool) -> Result<Self, Error> {
        let reached = account.reach().await;
        let keys = match &reached {
            Ok(_) => account.published_keys().await,
            Err(_) => Err(Error::Unreachable(String::new())),
        };
        let is_over = matches!(keys, Err(Error::SessionEnded | Error::AccountRevoked));
        Ok(Self {
            is_logged_in: account.is_logged_in().await && !is_over,
            own: account.identity_key().await?,
            outgoing: account.outgoing().await?,
            unread: account.count_unread().await?,
            account,
            reached,
            keys,
            is_open_elsewhere,
        })
    }

    fn published(&self) -> Published {
        Published::compare(self.own.as_deref(), self.keys.as_ref().ok())
    }

    fn value(&self) -> Value {
        json!({
            "address": self.account.address(),
            "deviceId": self.account.device(),
            "server": self.account.server(),
            "reachable": self.reached.is_ok(),
            "answerMillis": self.reached.as_ref().ok().map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            "loggedIn": self.is_logged_in,
            "published": self.published().word(),
            "oneTimeKeys": left(self.keys.as_ref().ok()),
            "outgoing": self.outgoing,
            "unread": self.unread,
            "openElsewhere": self.is_open_elsewhere,
        })
    }

    fn text(&self) -> String {
        let reached = match &self.reached {
            Ok(took) => paint(GOOD, format!("answers in {} ms", took.as_millis())),
            Err(_) => paint(BAD, "cannot be reached"),
        };
        let logged_in = if self.is_logged_in { paint(GOOD, "yes") } else { paint(BAD, "no") };
        let elsewhere = if self.is_open_elsewhere { "in another process" } else { "nowhere else" };
        format!(
            "{}, device {}\n  homeserver     {}, {reached}\n  logged in      {logged_in}\n  published      {}\n  \
             one-time keys  {}\n  outgoing       {} not received yet\n  unread         {}\n  open           {elsewhere}",
            paint(STRONG, self.account.address()),
            self.account.device(),
            self.account.server(),
            self.published().sentence(),
            left_text(self.keys.as_ref().ok()),
            self.outgoing,
            self.unread,
        )
    }

    /// What the exit code says.
    fn verdict(self) -> Result<(), Failure> {
        let is_others = self.published() == Published::Others;
        self.reached?;
        self.keys?;
        if is_others { Err(Error::IdentityReplaced.into()) } else { Ok(()) }
    }
}
