//! Chat: what is kept of conversations, and the connection over which they go.

mod acknowledge;
mod backoff;
mod connection;
mod event;
mod flight;
mod inbox;
mod live;
mod mailbox;
mod message;
mod outbox;
mod socket;
mod status;

pub use connection::{Connection, Reconnect};
pub use event::{Closed, Event};
pub use inbox::{Received, Settled};
pub use mailbox::Mailbox;
pub use message::{Body, Direction, StatusChange, StoredMessage};
pub use outbox::Outgoing;
pub use status::Applied;
