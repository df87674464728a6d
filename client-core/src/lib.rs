//! The client library of Missive: accounts, keys, sessions and chat.
//!
//! A [`Client`] is an account on this computer. It registers or logs in, keeps its keys and messages in an encrypted
//! file, and, while a [`Connection`] is open, sends and receives Signal-encrypted messages.
//!
//! ```no_run
//! use client_core::{Client, Event, Options, Reconnect, Registration, Unlock};
//!
//! # async fn two_parties() -> Result<(), client_core::Error> {
//! let server = "http://localhost:8080";
//! let account = |name: &str| Registration { name: name.into(), password: "correct horse".into(), invite: None };
//! let options = Options::new("/home/me/.local/share/missive", Unlock::KeyFile("/home/me/missive.key".into()));
//!
//! let alice = Client::register(&options, server, &account("alice")).await?;
//! let bob = Client::register(&options, server, &account("bob")).await?;
//!
//! let sending = alice.connect(Reconnect::Always).await?;
//! alice.send(bob.address(), "Hello, Bob").await?;
//!
//! let mut receiving = bob.connect(Reconnect::Always).await?;
//! while let Some(event) = receiving.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {}", message.peer, message.text().unwrap_or("(not a text)"));
//!         break;
//!     }
//! }
//! receiving.close().await;
//! sending.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Three roles, a module each: *authentication* (registering, logging in, tokens that refresh themselves), *Signal* (keys,
//! sessions, encrypting, decrypting) and *chat* (the connection, the outbox, the inbox, statuses), over one *storage*.
//! The [`Mailbox`] is chat without a network, for whoever brings another transport.
#![deny(missing_docs)]

mod account;
mod chat;
mod client;
mod clock;
mod contacts;
mod error;
mod fault;
mod signal;
mod storage;

pub use account::{Credentials, Registration};
pub use chat::{
    Again, Applied, Body, Closed, Connection, Conversation, Direction, Event, Failed, Mailbox, Outgoing, Received,
    Reconnect, Settled, StatusChange, StoredMessage,
};
pub use client::{Account, Client, Options};
pub use clock::Clock;
pub use contacts::Contact;
pub use error::Error;
pub use missive_wire as wire;
pub use signal::{SafetyNumber, SignalError};
pub use storage::{Namespace, Storage, StorageError, Unlock, WrappedBy, default_home, keyring_works, locks};
