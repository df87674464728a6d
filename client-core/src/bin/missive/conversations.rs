//! `missive conversations`.

use client_core::{Conversation, wire::Address};
use serde_json::{Value, json};

use crate::{
    args::Global,
    contacts::marks,
    failure::Failure,
    output::{DIM, ODD, Output, STRONG, Seen, called, paint, time},
    place::Place,
};

/// What a person sees of the last message.
const LAST_CHARS: usize = 100;

pub(crate) async fn conversations(global: &Global, output: &Output) -> Result<(), Failure> {
    let account = Place::find(global).await?.account().await?;
    let own = account.address();
    let all = account.conversations().await?;
    for conversation in &all {
        output.line(&text(own, conversation), &value(own, conversation));
    }
    if all.is_empty() && !output.is_json() {
        output.remark("There are no conversations yet: missive send NAME@SERVER 'Hello'", "empty");
    }
    Ok(())
}

fn text(own: &Address, conversation: &Conversation) -> String {
    let Conversation { peer, contact, last, unread, identity_changed } = conversation;
    let unread = if *unread > 0 { paint(ODD, format!(" [{unread} unread]")) } else { String::new() };
    let who = paint(STRONG, called(peer, contact.petname.as_deref()));
    let marks = marks(contact, *identity_changed);
    let last = last.as_ref().map(|message| {
        let seen = Seen { own, message, petname: contact.petname.as_deref() };
        format!("\n  {} {}", paint(DIM, time(message.sent_at)), seen.short(LAST_CHARS))
    });
    format!("{who}{unread}{marks}{}", last.unwrap_or_default())
}

fn value(own: &Address, conversation: &Conversation) -> Value {
    let Conversation { peer, contact, last, unread, identity_changed } = conversation;
    let petname = contact.petname.as_deref();
    json!({
        "type": "conversation",
        "peer": peer,
        "petname": petname,
        "verified": contact.verified,
        "blocked": contact.blocked,
        "identityChanged": identity_changed,
        "unread": unread,
        "last": last.as_ref().map(|message| Seen { own, message, petname }.value()),
    })
}
