//! Restored homeservers: what they have forgotten is sent again.

use missive_wire::PeerIncarnation;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{handed::Handed, inbox, mailbox::Mailbox, outbox};
use crate::{
    Error,
    storage::{Batch, Table},
};

const INCARNATION: &[u8] = b"incarnation";

/// Another server's incarnation is acted on hourly at most.
const AN_HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// What another server's incarnation was, and when that was acted on.
#[derive(Serialize, Deserialize)]
struct PeerSeen {
    incarnation: Uuid,
    at: i64,
}

impl Mailbox {
    /// Heeds the homeserver's incarnation: after a change everything unacknowledged counts as not sent. Also forgets the
    /// triples that are older than a message may become.
    pub async fn greet(&self, incarnation: Uuid) -> Result<(), Error> {
        let _owner = self.owner().await?;
        let mut batch = Batch::default();
        inbox::forget_old(&mut batch, self.now());
        Handed::forget_old(&mut batch, self.now());
        let known = self.storage.get::<Uuid>(Table::Meta, INCARNATION).await?;
        if known != Some(incarnation) {
            if known.is_some() {
                outbox::unsend(self, &mut batch, |_| true).await?;
            }
            batch.put(Table::Meta, INCARNATION, &incarnation)?;
        }
        Ok(self.storage.commit(batch).await?)
    }

    /// Heeds another server's incarnation, once: everything that its accounts have not acknowledged counts as not sent.
    /// Says whether that was anything.
    pub async fn peer_greets(&self, peer: &PeerIncarnation) -> Result<bool, Error> {
        let _owner = self.owner().await?;
        let key = format!("incarnation of {}", peer.server);
        let known: Option<PeerSeen> = self.storage.get(Table::Meta, key.as_bytes()).await?;
        let now = self.now().millis();
        let is_new =
            |known: &PeerSeen| known.incarnation != peer.incarnation && (now - known.at).abs() >= AN_HOUR_MILLIS;
        if known.as_ref().is_some_and(|known| !is_new(known)) {
            return Ok(false);
        }
        let mut batch = Batch::default();
        outbox::unsend(self, &mut batch, |receiver| receiver.server == peer.server).await?;
        if batch.is_empty() {
            // Nothing is remembered of servers that are only named.
            return Ok(false);
        }
        batch.put(Table::Meta, key, &PeerSeen { incarnation: peer.incarnation, at: now })?;
        self.storage.commit(batch).await?;
        Ok(true)
    }
}
