use uuid::Uuid;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// A session has ended: its socket closes, its access tokens are refused.
    SessionEnded,
    /// An admin revoked the account.
    AccountRevoked,
    /// An admin restored the account.
    AccountRestored,
    /// The account's devices, keys or existence changed: forget what is cached of it.
    AccountChanged,
    /// Something was stored for the account's devices by another process: look again.
    Stored,
    /// This server's federation keys changed: read them again. It is of no account.
    FederationKeysChanged,
    /// An admin changed what is trusted of another server: forget what is remembered of others. It is of no account.
    PeersChanged,
    /// Another server was restored from a backup. It is of no account.
    PeerRestored,
}

/// Something that every server on the database must hear of within a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlEvent {
    /// Rises, but rows may become visible out of order.
    pub id: i64,
    /// What happened.
    pub kind: ControlKind,
    /// To which account; the nil id where it is of none.
    pub account: Uuid,
    /// To which of its sessions.
    pub session: Option<Uuid>,
}

impl ControlKind {
    /// The kind as it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionEnded => "session_ended",
            Self::AccountRevoked => "account_revoked",
            Self::AccountRestored => "account_restored",
            Self::AccountChanged => "account_changed",
            Self::Stored => "stored",
            Self::FederationKeysChanged => "federation_keys_changed",
            Self::PeersChanged => "peers_changed",
            Self::PeerRestored => "peer_restored",
        }
    }

    /// The kind of that text; `None` for one that a newer server wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let kinds = [
            Self::SessionEnded,
            Self::AccountRevoked,
            Self::AccountRestored,
            Self::AccountChanged,
            Self::Stored,
            Self::FederationKeysChanged,
            Self::PeersChanged,
            Self::PeerRestored,
        ];
        kinds.into_iter().find(|kind| kind.as_str() == text)
    }
}
