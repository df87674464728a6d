//! Contacts: what this computer's user has noted of others. Each note is a row, so that two commands at once lose none.

use std::collections::BTreeMap;

use missive_wire::{Address, Base64};
use serde::{Deserialize, Serialize};

use crate::{
    Error, SafetyNumber, StorageError,
    signal::Identity,
    storage::{Batch, Storage, Table},
};

/// A petname longer than this is a mistake.
const PETNAME_MAX_CHARS: usize = 64;

/// What is noted of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Whose.
    pub address: Address,
    /// What this user calls them. Nobody else sees it.
    pub petname: Option<String>,
    /// Whether the safety number was compared, and their identity key is still the one it was compared with.
    pub verified: bool,
    /// Whether their messages are put aside unseen.
    pub blocked: bool,
}

impl Contact {
    /// Whether a text can be a petname.
    pub fn is_petname(text: &str) -> bool {
        let text = text.trim();
        !text.is_empty() && text.chars().count() <= PETNAME_MAX_CHARS && !text.chars().any(char::is_control)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Note {
    /// They are a contact.
    Known,
    Petname(String),
    /// The identity key that was compared.
    Verified(Base64),
    Blocked,
}

/// The kinds of note, as they stand in a row's key.
const KINDS: [&str; 4] = ["known", "petname", "verified", "blocked"];

#[derive(Serialize, Deserialize)]
struct Row {
    address: Address,
    note: Note,
}

impl Note {
    fn kind(&self) -> &'static str {
        match self {
            Self::Known => KINDS[0],
            Self::Petname(_) => KINDS[1],
            Self::Verified(_) => KINDS[2],
            Self::Blocked => KINDS[3],
        }
    }
}

/// Everyone of whom something is noted, in order of their addresses.
pub(crate) async fn list(storage: &Storage) -> Result<Vec<Contact>, Error> {
    let mut notes: BTreeMap<Address, Vec<Note>> = BTreeMap::new();
    for Row { address, note } in storage.list_all(Table::Contact).await? {
        notes.entry(address).or_default().push(note);
    }
    let mut contacts = Vec::with_capacity(notes.len());
    for (address, notes) in notes {
        contacts.push(assemble(storage, address, notes).await?);
    }
    Ok(contacts)
}

/// What is noted of one account.
pub(crate) async fn contact(storage: &Storage, address: &Address) -> Result<Contact, Error> {
    let mut notes = Vec::new();
    for kind in KINDS {
        let row: Option<Row> = storage.get(Table::Contact, &key(address, kind)).await?;
        notes.extend(row.map(|row| row.note));
    }
    assemble(storage, address.clone(), notes).await
}

pub(crate) async fn is_blocked(storage: &Storage, address: &Address) -> Result<bool, StorageError> {
    Ok(storage.get::<Row>(Table::Contact, &key(address, KINDS[3])).await?.is_some())
}

/// Notes that an account is a contact.
pub(crate) async fn add(storage: &Storage, address: &Address) -> Result<(), Error> {
    put(storage, address, Note::Known).await
}

/// Gives an account a petname, or takes it away.
pub(crate) async fn set_petname(storage: &Storage, address: &Address, petname: Option<&str>) -> Result<(), Error> {
    let Some(petname) = petname else { return delete(storage, address, &KINDS[1..2]).await };
    if !Contact::is_petname(petname) {
        return Err(Error::InvalidPetname);
    }
    put(storage, address, Note::Petname(petname.trim().to_owned())).await
}

/// Marks the identity key that a safety number is about as compared, if it is the trusted one.
pub(crate) async fn verify(storage: &Storage, number: &SafetyNumber) -> Result<(), Error> {
    let address = number.with();
    let identity = Identity::load(storage, address).await?.ok_or_else(|| Error::UnknownIdentity(address.clone()))?;
    if identity.waits_for_acceptance() || !number.is_about(identity.newest()) {
        return Err(Error::OtherIdentity(address.clone()));
    }
    put(storage, address, Note::Verified(identity.newest().clone())).await
}

/// Takes the mark away.
pub(crate) async fn unverify(storage: &Storage, address: &Address) -> Result<(), Error> {
    delete(storage, address, &KINDS[2..3]).await
}

/// Blocks an account, or ends that.
pub(crate) async fn set_blocked(storage: &Storage, address: &Address, blocked: bool) -> Result<(), Error> {
    if blocked { put(storage, address, Note::Blocked).await } else { delete(storage, address, &KINDS[3..]).await }
}

/// Forgets every note of an account. A block is one, and ends.
pub(crate) async fn remove(storage: &Storage, address: &Address) -> Result<(), Error> {
    delete(storage, address, &KINDS).await
}

async fn put(storage: &Storage, address: &Address, note: Note) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.put(Table::Contact, key(address, note.kind()), &Row { address: address.clone(), note })?;
    Ok(storage.commit(batch).await?)
}

async fn delete(storage: &Storage, address: &Address, kinds: &[&str]) -> Result<(), Error> {
    let mut batch = Batch::default();
    for kind in kinds {
        batch.delete(Table::Contact, key(address, kind));
    }
    Ok(storage.commit(batch).await?)
}

async fn assemble(storage: &Storage, address: Address, notes: Vec<Note>) -> Result<Contact, Error> {
    let identity = Identity::load(storage, &address).await?;
    let mut contact = Contact { address, petname: None, verified: false, blocked: false };
    for note in notes {
        match note {
            Note::Known => {}
            Note::Petname(petname) => contact.petname = Some(petname),
            Note::Verified(key) => {
                let is_same = |known: &Identity| !known.waits_for_acceptance() && *known.newest() == key;
                contact.verified = identity.as_ref().is_some_and(is_same);
            }
            Note::Blocked => contact.blocked = true,
        }
    }
    Ok(contact)
}

fn key(address: &Address, kind: &str) -> Vec<u8> {
    format!("{address}/{kind}").into_bytes()
}
