use missive_wire::Timestamp;

/// One of this server's own federation keys, as it lies in the database.
#[derive(Clone, PartialEq, Eq)]
pub struct FederationKeyRow {
    /// Its place in the order in which they were made, from 1.
    pub position: i64,
    /// Its public id.
    pub id: String,
    /// Its public half, 32 bytes.
    pub public_key: Vec<u8>,
    /// Its private half, sealed by the master key, as long as it may sign.
    pub sealed: Option<Vec<u8>>,
    /// When it was made, and published.
    pub created_at: Timestamp,
    /// From when it signs and verifies.
    pub valid_from: Timestamp,
    /// Until when, as its statement says. It ends sooner once it is replaced.
    pub valid_until: Timestamp,
    /// Who says that it is this server's; nobody says it of the first.
    pub statement: Option<Statement>,
    /// When it was revoked, and the recovery key's signature over that.
    pub revoked: Option<(Timestamp, Vec<u8>)>,
}

/// Who says that a key is this server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The id of the key before it, or `recovery`.
    pub signed_by: String,
    /// 64 bytes.
    pub signature: Vec<u8>,
}

/// A revocation to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevocation {
    /// Of which key.
    pub key_id: String,
    /// As of when.
    pub revoked_at: Timestamp,
    /// By the recovery key.
    pub signature: Vec<u8>,
}

impl std::fmt::Debug for FederationKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FederationKeyRow")
            .field("position", &self.position)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
