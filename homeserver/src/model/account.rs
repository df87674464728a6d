use missive_wire::Timestamp;
use uuid::Uuid;

/// An account as the store holds it.
#[derive(Clone)]
pub struct AccountRow {
    /// Its id.
    pub id: Uuid,
    /// Its name, already checked.
    pub name: String,
    /// Argon2id, in PHC form.
    pub password_hash: String,
    /// 33 bytes, once published.
    pub identity_key: Option<Vec<u8>>,
    /// Where pushes go.
    pub notification_id: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When an admin revoked it, if it is revoked.
    pub revoked_at: Option<Timestamp>,
}
