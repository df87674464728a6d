//! Claims for other homeservers: one that comes again gets the keys that it took, whatever came of the first answer.

use std::collections::HashMap;

use missive_wire::{ClaimedBundle, Code};
use uuid::Uuid;

use super::Claim;
use crate::store::{
    Claimed, RemoteClaimOp, Result, Tx, WriteResult,
    batch::Results,
    corrupt,
    prekeys::refusal,
    run,
    text::{Text, lookup},
};

static RECORDED: Text = lookup!(
    "SELECT found.origin, found.claim_id, found.account_id, found.bundle",
    2,
    "federation_claims",
    "found.origin = wanted.column1 AND found.claim_id = wanted.column2",
    ""
);
static RECORD: Text =
    Text::new("INSERT INTO federation_claims (origin, claim_id, account_id, bundle, created_at) VALUES ", 5, "");

/// What tells other homeservers' claims apart.
type Key<'a> = (&'a str, Uuid);

/// What is to become of claims.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// Those that take keys.
    pub(super) new: Vec<&'a Claim<'a>>,
    /// Those that are one of the new ones again: its place comes second.
    again: Vec<(usize, usize)>,
}

impl<'a> Sorted<'a> {
    /// Sorts claims, in their order, and answers those that are recorded already.
    pub(super) async fn read(tx: &mut Tx, claims: &[&'a Claim<'a>], results: &mut Results) -> Result<Self> {
        let remote = claims.iter().filter_map(|claim| claim.remote).collect::<Vec<_>>();
        let recorded = recorded(tx, &remote).await?;
        let (mut sorted, mut first) = (Self::default(), HashMap::<Key<'a>, &Claim<'a>>::new());
        for claim in claims {
            let key = claim.remote.map(key);
            if let Some((account, bundle)) = key.and_then(|(origin, id)| recorded.get(&(origin.to_owned(), id))) {
                let claimed = if *account == claim.account { read(bundle)? } else { Err(refusal(Code::Malformed)) };
                results.set(claim.at, WriteResult::Claimed(claimed));
            } else if let Some(first) = key.and_then(|key| first.get(&key)) {
                if first.account == claim.account {
                    sorted.again.push((claim.at, first.at));
                } else {
                    results.set(claim.at, WriteResult::Claimed(Err(refusal(Code::Malformed))));
                }
            } else {
                first.extend(key.map(|key| (key, *claim)));
                sorted.new.push(claim);
            }
        }
        Ok(sorted)
    }

    /// Records what the new ones took, and gives the same to those that are one of them again.
    pub(super) async fn record(self, tx: &mut Tx, results: &mut Results) -> Result<()> {
        let mut taken = Vec::new();
        for claim in &self.new {
            if let (Some(remote), Some(WriteResult::Claimed(Ok(claimed)))) = (claim.remote, results.0.get(claim.at)) {
                let bundle = serde_json::to_string(&claimed.bundle).map_err(|_| corrupt("bundle"))?;
                taken.push((remote, claim.account, bundle));
            }
        }
        for (text, taken) in RECORD.exact(tx.dialect(), &taken) {
            run!(&mut *tx, |db| {
                let record = taken.iter().fold(sqlx::query(text), |record, (remote, account, bundle)| {
                    let record = record.bind(remote.origin.as_str()).bind(remote.claim_id.to_string());
                    record.bind(*account).bind(bundle.as_str()).bind(remote.at.millis())
                });
                record.execute(db).await.map(drop)
            })?;
        }
        for (at, first) in self.again {
            let Some(WriteResult::Claimed(mut claimed)) = results.0.get(first).cloned() else { continue };
            if let Ok(claimed) = &mut claimed {
                claimed.left.clear();
            }
            results.set(at, WriteResult::Claimed(claimed));
        }
        Ok(())
    }
}

/// Of these claims, those that are recorded: for which account, and its bundle.
async fn recorded(tx: &mut Tx, remote: &[&RemoteClaimOp]) -> Result<HashMap<(String, Uuid), (Uuid, String)>> {
    let mut recorded = HashMap::new();
    for (text, remote) in RECORDED.padded(tx.dialect(), remote) {
        let rows: Vec<(String, String, Uuid, String)> = run!(&mut *tx, |db| {
            let select = remote.iter().fold(sqlx::query_as(text), |select, remote| {
                select.bind(remote.origin.as_str()).bind(remote.claim_id.to_string())
            });
            select.fetch_all(db).await
        })?;
        for (origin, claim_id, account, bundle) in rows {
            let claim_id = claim_id.parse().map_err(|_| corrupt("claim id"))?;
            recorded.insert((origin, claim_id), (account, bundle));
        }
    }
    Ok(recorded)
}

fn key(remote: &RemoteClaimOp) -> Key<'_> {
    (remote.origin.as_str(), remote.claim_id)
}

fn read(bundle: &str) -> Result<std::result::Result<Claimed, crate::store::Refusal>> {
    let bundle: ClaimedBundle = serde_json::from_str(bundle).map_err(|_| corrupt("bundle"))?;
    Ok(Ok(Claimed { bundle, left: Vec::new() }))
}
