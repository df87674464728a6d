//! `missive identity`: the own keys.

use client_core::{
    Account,
    wire::{Base64, KeyCount},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    args::{Global, Identity},
    failure::Failure,
    output::{DIM, ODD, Output, STRONG, paint},
    place::Place,
    prompt, secrets,
};

pub(crate) async fn identity(global: &Global, output: &Output, args: Identity) -> Result<(), Failure> {
    let place = Place::find(global).await?;
    if args.start_over {
        return start_over(&place, output, args).await;
    }
    let account = place.account().await?;
    let own = account.identity_key().await?;
    let published = account.published_keys().await;
    show(output, &account, own.as_deref(), published.as_ref().ok());
    published.map(drop).map_err(Failure::from)
}

async fn start_over(place: &Place, output: &Output, args: Identity) -> Result<(), Failure> {
    let client = place.client().await?;
    let address = client.address();
    if !args.yes {
        let question = format!(
            "New keys for {address}: every other device, every other log-in and every message that waits for it goes, \
             and everyone who writes to it has to accept the new key."
        );
        prompt::confirm(&question, "--yes")?;
    }
    let password = secrets::password(&args.password, &address.to_string(), false)?;
    client.start_over(&password, args.totp).await?;
    let own = client.identity_key().await?;
    let account = client.account();
    show(output, account, own.as_deref(), account.published_keys().await.ok().as_ref());
    Ok(())
}

/// What an account's keys come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// The homeserver cannot be asked.
    Unknown,
    /// It has none.
    None,
    /// It has those of this device.
    Ours,
    /// It has others: messages cannot be read here.
    Others,
}

impl Published {
    pub(crate) fn compare(own: Option<&[u8]>, published: Option<&KeyCount>) -> Self {
        match published.map(|published| &published.identity_key) {
            None => Self::Unknown,
            Some(None) => Self::None,
            Some(Some(key)) if own == Some(&key.0) => Self::Ours,
            Some(Some(_)) => Self::Others,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Ours => "ours",
            Self::Others => "others",
        }
    }

    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Unknown => paint(DIM, "unknown: the homeserver could not be asked"),
            Self::None => "none yet; the next listen or send publishes them".to_owned(),
            Self::Ours => "the keys of this device".to_owned(),
            Self::Others => {
                paint(ODD, "others than those of this device; missive identity --start-over makes new ones")
            }
        }
    }
}

/// How many one-time keys the homeserver has left of this device, for a program.
pub(crate) fn left(published: Option<&KeyCount>) -> Value {
    published.map_or(Value::Null, |keys| json!({"preKeys": keys.pre_keys, "pqPreKeys": keys.pq_pre_keys}))
}

/// The same for a person.
pub(crate) fn left_text(published: Option<&KeyCount>) -> String {
    published.map_or_else(
        || "unknown".to_owned(),
        |keys| format!("{} left, {} post-quantum", keys.pre_keys, keys.pq_pre_keys),
    )
}

fn show(output: &Output, account: &Account, own: Option<&[u8]>, keys: Option<&KeyCount>) {
    let fingerprint = own.map(fingerprint);
    let published = Published::compare(own, keys);
    let text = format!(
        "{}, device {}\n  fingerprint    {}\n  published      {}\n  one-time keys  {}",
        paint(STRONG, account.address()),
        account.device(),
        fingerprint.as_deref().map_or_else(|| "there are no keys yet".to_owned(), groups),
        published.sentence(),
        left_text(keys),
    );
    let value = json!({
        "address": account.address(),
        "deviceId": account.device(),
        "identityKey": own.map(|key| Base64(key.to_vec())),
        "fingerprint": fingerprint,
        "published": published.word(),
        "oneTimeKeys": left(keys),
    });
    output.line(&text, &value);
}

/// SHA-256 of the serialized key, in hexadecimal digits.
fn fingerprint(key: &[u8]) -> String {
    format!("{:x}", Sha256::digest(key))
}

fn groups(digits: &str) -> String {
    let groups: Vec<&str> = (0..digits.len()).step_by(8).filter_map(|at| digits.get(at..at + 8)).collect();
    groups.join(" ")
}
