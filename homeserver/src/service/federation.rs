//! What other homeservers ask of this one, once it is known who they are.

use std::sync::Arc;

use missive_wire::{Code, ServerName, Timestamp};

use super::outbox;
use crate::{
    app::App,
    error::{Error, Result, StoreError},
    peers::signature::{NONCE_SECONDS, VerifiedRequest},
    store::{WriteOp, WriteResult},
};

/// Writes down the nonce of a request; false where its origin has used it before, with any server on this database.
///
/// It is kept until no copy of the request is accepted any more: its signature expires at most 300 seconds after it was
/// created, and the nonce is kept for 60 more, by which the clocks of those servers may differ.
pub async fn admit(app: &App, request: &VerifiedRequest) -> Result<bool> {
    let expires_at = Timestamp::from_millis(request.created.millis() + NONCE_SECONDS * 1_000);
    let admit = WriteOp::Admit { origin: request.origin.clone(), nonce: request.nonce.clone(), expires_at };
    let written = app.writer.write(vec![admit]).await.map_err(|error| StoreError(error.into()))?;
    match written.results.first() {
        Some(WriteResult::Done(1)) => Ok(true),
        // The first attempt may have been this very request: the peer signs another, and asks again.
        _ if written.repeated => {
            Err(Error::temporary(Code::Unavailable, "the server's database was slow; sign a new request", 1))
        }
        _ => Ok(false),
    }
}

/// A homeserver that could not be reached says that it can be again.
pub fn wake(app: &Arc<App>, origin: &ServerName) {
    if !app.shutdown.is_cancelled() {
        tracing::debug!(%origin, "another homeserver says that it is back");
        metrics::counter!("federation_wakes_total").increment(1);
        outbox::try_now(app, origin);
    }
}
