//! The types of Missive's wire protocol: what clients, homeservers and federation peers say to each other.
//!
//! Nothing here does I/O. Parsing is validation: a value of these types is well-formed. `docs/protocol.md` in the
//! repository is the prose; golden JSON in `tests/` pins every shape.
#![deny(missing_docs)]

mod accounts;
mod binary;
mod client_frame;
mod error;
mod federation;
mod keys;
mod messages;
mod names;
mod payload;
mod server_document;
mod server_frame;
mod timestamp;

pub use accounts::{
    Account, AccountChange, CreateAccount, CreateToken, DeleteAccount, FoundAccount, FoundAccounts, LoggedIn, Scope,
    ScopeError, Session, Sessions, TotpRequired,
};
pub use binary::{Base64, CONTENT_MAX_CHARS, Content, InvalidBase64};
pub use client_frame::{
    ClientFrame, DeviceContent, FRAME_MAX_BYTES, FrameError, MESSAGE_IDS_MAX, MessageContent, MessageFrame, Receiver,
    StatusAck, StatusFrame,
};
pub use error::{Code, Data, ErrorBody, ErrorDetails};
pub use federation::{
    ENVELOPES_MAX, Envelope, EnvelopeError, EnvelopeResult, MessageEnvelope, RemoteClaim, RemoteUser, RemoteUsers,
    ServerVersion, StatusEnvelope, TRANSACTION_MAX_BYTES, Transaction, TransactionAnswer,
};
pub use keys::{
    ClaimedBundle, ClaimedDevice, KeyCount, KeyUpload, ONE_TIME_KEYS_PER_UPLOAD, ONE_TIME_KEYS_STORED, PreKey,
    SignedKeyRotation, SignedPreKey, StartOver,
};
pub use messages::{AcknowledgeMessages, AcknowledgeStatuses, MessageRef, PendingMessages, PendingStatuses, StatusRef};
pub use names::{AccountName, Address, DeviceId, InvalidName, MessageId, ServerName};
pub use payload::{Body, PADDING_BLOCK, Payload, PayloadError, pad, unpad};
pub use server_document::{
    FEDERATION_VERSION, FederationAlgorithm, FederationKey, Revocation, Rotation, SIGNED_BY_RECOVERY, ServerDocument,
    ServerKeys,
};
pub use server_frame::{
    CipherKind, Delivered, Hello, KeysLow, Noted, PeerIncarnation, ServerError, ServerFrame, State, StatusUpdate,
};
pub use timestamp::{InvalidTimestamp, Timestamp};
