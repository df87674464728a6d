//! What the database keeps for and of other homeservers: the outbox, nonces, answers and claims, on both databases.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_outbox/claims.rs"]
mod claims;
#[path = "process/database.rs"]
#[allow(dead_code)] // it waits for others
mod database;
#[path = "store_outbox/envelopes.rs"]
mod envelopes;
#[path = "store_outbox/requests.rs"]
mod requests;
#[path = "store_outbox/rig.rs"]
mod rig;
#[path = "store_outbox/told.rs"]
mod told;
