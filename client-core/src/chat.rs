//! Chat: what is kept of conversations, and the connection over which they go.

mod acknowledge;
mod again;
mod backoff;
mod chores;
mod connection;
pub(crate) mod conversations;
mod event;
mod flight;
pub(crate) mod handed;
mod inbox;
mod incarnation;
mod live;
pub(crate) mod mailbox;
mod message;
mod outbox;
pub(crate) mod reads;
mod socket;
mod status;

pub use again::Again;
pub use connection::{Connection, Reconnect};
pub use conversations::Conversation;
pub use event::{Closed, Event};
pub use inbox::{Received, Settled};
pub use mailbox::Mailbox;
pub use message::{Body, Direction, StatusChange, StoredMessage};
pub use outbox::Outgoing;
pub use status::{Applied, Failed};

pub(crate) use message::sent_key;
