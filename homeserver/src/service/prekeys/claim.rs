//! Claiming keys of accounts of this homeserver, for its own users and for other homeservers.

use std::sync::Arc;

use missive_wire::{AccountName, Address, ClaimedBundle, Code, RemoteClaim, ServerName};

use super::{elsewhere, refused};
use crate::{
    app::{App, Limit},
    error::{Error, Result},
    model::{Access, DeviceKey},
    peers::domain,
    service::delivery,
    store::{ENOUGH, RemoteClaimOp, StoreError, WriteOp, WriteResult},
};

/// A device is told to publish more when it has fewer one-time keys of a kind than this.
const LOW: usize = ENOUGH;

/// Claims a bundle of every device of an account, here or elsewhere. `name` is a bare name or an address.
pub async fn claim(app: &Arc<App>, access: &Access, name: &str) -> Result<ClaimedBundle> {
    let address = wanted(app, name)?;
    app.limits.check(Limit::Claim, &access.account)?;
    app.limits.check(Limit::ClaimTarget, &(access.account, &address))?;
    if address.server == app.server_name {
        take(app, &address.name, None).await
    } else {
        elsewhere::claim(app, access, &address).await
    }
}

/// Claims a bundle for a user of another homeserver; the same claim again gets the same bundle. Some one-time keys stay
/// for users of this homeserver.
pub async fn claim_for(app: &Arc<App>, origin: &ServerName, name: &str, claim: RemoteClaim) -> Result<ClaimedBundle> {
    let RemoteClaim { claim_id, requester } = claim;
    if requester.server != *origin {
        let text = format!("{origin} claims keys for its own users, and not for {requester}");
        return Err(Error::new(Code::NotOwner, text));
    }
    let address = wanted(app, name)?;
    if address.server != app.server_name {
        return Err(Error::new(Code::NotFound, format!("{address} is not of this homeserver")));
    }
    // Whoever asks for too much spends nothing of what others have together.
    app.limits.check(Limit::RemoteClaimTarget, &(&requester, &address.name))?;
    // Requesters cost their homeserver nothing to invent.
    app.limits.check(Limit::DomainClaimTarget, &(domain::registrable(origin), &address.name))?;
    app.limits.check(Limit::RemoteClaim, &requester)?;
    app.limits.check(Limit::PeerClaim, origin)?;
    app.limits.check(Limit::DomainClaim, &domain::registrable(origin))?;
    let reserve = usize::try_from(app.config.limits.remote_claims_reserve).unwrap_or(usize::MAX);
    let remote = RemoteClaimOp { origin: origin.clone(), claim_id, at: app.clock.now(), reserve };
    take(app, &address.name, Some(remote)).await
}

fn wanted(app: &App, name: &str) -> Result<Address> {
    Address::parse_on(name, &app.server_name)
        .map_err(|error| Error::new(Code::Malformed, format!("whose keys? {error}")))
}

async fn take(app: &Arc<App>, name: &AccountName, remote: Option<RemoteClaimOp>) -> Result<ClaimedBundle> {
    let entry = app.directory.by_name(&app.store, name).await?;
    let entry = entry.ok_or_else(|| refused(Code::NotFound, None))?;
    // Other homeservers get none of the reserve: its owner must hear of it while it is whole.
    let low = remote.as_ref().map_or(LOW, |remote| LOW.max(remote.reserve.saturating_add(1)));
    let claim = WriteOp::Claim { account: entry.account, remote };
    let written = app.writer.write(vec![claim]).await.map_err(|error| StoreError(error.into()))?;
    let Some(WriteResult::Claimed(outcome)) = written.results.into_iter().next() else {
        return Err(Error::internal(std::io::Error::other("a claim came to something else")));
    };
    let claimed = outcome.map_err(|refusal| refused(refusal.code, refusal.highest_key_id))?;
    for (device, keys) in claimed.left {
        if keys.pre_keys.min(keys.pq_pre_keys) < low as u64 {
            delivery::keys_low(app, DeviceKey { account: entry.account, device }, keys);
        }
    }
    Ok(claimed.bundle)
}
