//! What the model asks for, and what it is told.

use client_core::{Contact, Conversation, StoredMessage, wire::Address};

/// So many messages are read at a time when one opens a conversation or scrolls back in it.
pub(super) const PAGE: u32 = 100;

/// So many of the newest are read when something has come.
pub(super) const FRESH: u32 = 8;

/// Something to do that may take a while; its [`Answer`] comes back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Read the list of conversations, and whom one knows.
    List,
    /// Read so many messages before a position, or the newest.
    Page { peer: Address, before: Option<i64>, limit: u32 },
    /// Read what is noted of someone.
    Contact(Address),
    /// Encrypt and send.
    Send { peer: Address, ticket: u64, text: String },
    /// These have been on the screen.
    Read(Vec<StoredMessage>),
    /// Search for someone.
    Find(String),
    /// Compute a safety number.
    Safety(Address),
    /// Trust the new identity key that these digits of a safety number are about.
    Accept(Address, String),
    /// Note something of a contact.
    Note(Address, Note),
    /// Draw everything anew.
    Redraw,
}

/// What is noted of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    Petname(Option<String>),
    /// These digits of a safety number were compared.
    Verified(String),
    NotVerified,
    Blocked(bool),
}

/// What has become of an [`Effect`].
#[derive(Debug)]
pub(super) enum Answer {
    List {
        conversations: Vec<Conversation>,
        contacts: Vec<Contact>,
    },
    Page {
        peer: Address,
        before: Option<i64>,
        limit: u32,
        rows: Vec<(i64, StoredMessage)>,
    },
    Contact(Contact),
    /// With the newest messages, of which it is one.
    Sent {
        peer: Address,
        ticket: u64,
        rows: Vec<(i64, StoredMessage)>,
    },
    NotSent {
        peer: Address,
        ticket: u64,
        why: Why,
    },
    Read,
    Found {
        text: String,
        found: Result<Found, String>,
    },
    Safety {
        peer: Address,
        number: Result<Safety, String>,
    },
    Accepted(Address),
    /// The digits are not those of the safety number any more.
    OtherKey(Address),
    Noted(Address),
    Failed(String),
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// It may go well later.
    Temporary(String),
    /// The receiver's new identity key waits for acceptance.
    Key,
    /// It will not go well.
    Final(String),
}

/// Who was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) users: Vec<Address>,
    /// There are more than these.
    pub(super) more: bool,
}

/// A safety number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Safety {
    /// Twelve groups of five digits.
    pub(super) groups: Vec<String>,
    /// It is about a new key that waits for acceptance.
    pub(super) changed: bool,
}
