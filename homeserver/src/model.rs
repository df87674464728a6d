//! The nouns that every layer shares: types only.

mod account;
mod control;
mod device;
mod envelope;
mod federation_key;
mod message;
mod peer;
mod session;

pub use account::AccountRow;
pub use control::{ControlEvent, ControlKind};
pub use device::{DeviceKey, DeviceRow};
pub use envelope::{EnvelopeKey, LANES, Lane, NewEnvelope, OutboxRow};
pub use federation_key::{FederationKeyRow, NewRevocation, Statement};
pub use message::{MessageSelector, NewStatus, PendingRow, SettledRow, StoredMessage, StoredStatus};
pub use peer::{InvalidPattern, PeerRow, PinnedKey, PinnedKeys, Restored, ServerPattern, Unexplained};
pub use session::{Access, SessionRow};
