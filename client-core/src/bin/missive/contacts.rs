//! `missive contacts`: what this user has noted of others.

use client_core::{Account, Contact, Error, wire::Address};
use serde_json::{Value, json};

use crate::{
    args::{Contacts, ContactsCommand, Global},
    failure::Failure,
    output::{GOOD, ODD, Output, called, paint},
    place::Place,
    who,
};

pub(crate) async fn contacts(global: &Global, output: &Output, args: Contacts) -> Result<(), Failure> {
    let Some(command) = args.command else { return list(global, output).await };
    let text = match &command {
        ContactsCommand::Add { who, .. }
        | ContactsCommand::Name { who, .. }
        | ContactsCommand::Remove(who)
        | ContactsCommand::Verify(who)
        | ContactsCommand::Unverify(who)
        | ContactsCommand::Block(who)
        | ContactsCommand::Unblock(who) => &who.who,
    };
    let (account, address) = who::account_and(global, text).await?;
    if address == *account.address() {
        return Err(Error::OwnAddress.into());
    }
    let before = account.contact(&address).await?;
    change(&account, &address, &command).await?;
    let after = account.contact(&address).await?;
    output.line(&said(&command, &before, &after), &value(&after));
    Ok(())
}

/// What is to be kept in mind of someone, in words; empty where there is nothing.
pub(crate) fn marks(contact: &Contact, identity_changed: bool) -> String {
    let marks = [
        (contact.verified, paint(GOOD, "[verified]")),
        (contact.blocked, paint(ODD, "[blocked]")),
        (identity_changed, paint(ODD, "[new identity key, not accepted]")),
    ];
    marks.into_iter().filter(|(is_set, _)| *is_set).fold(String::new(), |marks, (_, mark)| marks + " " + &mark)
}

async fn list(global: &Global, output: &Output) -> Result<(), Failure> {
    let account = Place::find(global).await?.account().await?;
    let contacts = account.contacts().await?;
    for contact in &contacts {
        let text = format!("{}{}", called(&contact.address, contact.petname.as_deref()), marks(contact, false));
        output.line(&text, &value(contact));
    }
    if contacts.is_empty() && !output.is_json() {
        output.remark("There are no contacts yet: missive contacts add NAME@SERVER", "empty");
    }
    Ok(())
}

async fn change(account: &Account, address: &Address, command: &ContactsCommand) -> Result<(), Error> {
    match command {
        ContactsCommand::Add { name, .. } => {
            if let Some(name) = name {
                account.set_petname(address, Some(name)).await?;
            }
            account.add_contact(address).await
        }
        ContactsCommand::Remove(_) => account.remove_contact(address).await,
        ContactsCommand::Name { name, .. } => account.set_petname(address, name.as_deref()).await,
        ContactsCommand::Verify(_) => account.verify(&account.safety_number(address).await?).await,
        ContactsCommand::Unverify(_) => account.unverify(address).await,
        ContactsCommand::Block(_) => account.set_blocked(address, true).await,
        ContactsCommand::Unblock(_) => account.set_blocked(address, false).await,
    }
}

fn said(command: &ContactsCommand, before: &Contact, after: &Contact) -> String {
    let (who, address) = (called(&after.address, after.petname.as_deref()), &after.address);
    match command {
        ContactsCommand::Add { .. } => format!("{who} is a contact."),
        ContactsCommand::Remove(_) if before.blocked => format!("{who} is forgotten, and not blocked any more."),
        ContactsCommand::Remove(_) => format!("{who} is forgotten."),
        ContactsCommand::Name { .. } if after.petname.is_none() => format!("{who} has no petname any more."),
        ContactsCommand::Name { .. } => format!("{address} is {who} now."),
        ContactsCommand::Verify(_) => format!(
            "{who} is marked as verified. That is worth as much as the comparison before it: missive safety-number {address}"
        ),
        ContactsCommand::Unverify(_) => format!("{who} is not marked as verified any more."),
        ContactsCommand::Block(_) => format!(
            "{who} is blocked: what they write from now on is put aside. To see it: missive history {address} --hidden"
        ),
        ContactsCommand::Unblock(_) => {
            format!("{who} is not blocked. What was put aside stays there: missive history {address} --hidden")
        }
    }
}

/// For a program.
fn value(contact: &Contact) -> Value {
    let Contact { address, petname, verified, blocked } = contact;
    json!({"type": "contact", "address": address, "petname": petname, "verified": verified, "blocked": blocked})
}
