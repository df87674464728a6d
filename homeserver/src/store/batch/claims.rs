//! Claiming keys: each one-time key leaves the database for exactly one claimer, however many ask at once. The account is
//! held, so nobody else takes keys of it meanwhile.

mod recorded;

use std::collections::{HashMap, VecDeque};

use missive_wire::{Base64, ClaimedBundle, ClaimedDevice, Code, KeysLow, ONE_TIME_KEYS_STORED};
use uuid::Uuid;

use super::{Results, grouped};
use crate::{
    model::DeviceKey,
    store::{
        Claimed, RemoteClaimOp, Result, Shares, Tx, WriteResult,
        prekeys::{EC, ENOUGH, OneTimeKey, PQ, Published, refusal},
    },
};

use recorded::Sorted;

/// A bundle of an account to be claimed.
pub(super) struct Claim<'a> {
    pub(super) at: usize,
    pub(super) account: Uuid,
    pub(super) remote: Option<&'a RemoteClaimOp>,
}

/// Keys of a kind that were taken for claims of a device.
#[derive(Default)]
struct Taken {
    /// Whether each of the claims gets one, in their order.
    turns: VecDeque<bool>,
    /// Those keys, oldest first.
    keys: VecDeque<OneTimeKey>,
    /// How many the device has left.
    left: u64,
}

/// Claims of an account.
type OfAccount<'a> = (Uuid, Vec<&'a Claim<'a>>);

/// Claims a bundle of every device that has published keys, taking its oldest one-time keys, each for one claim.
pub(super) async fn run(tx: &mut Tx, shares: &Shares, claims: &[Claim<'_>], results: &mut Results) -> Result<()> {
    let mut open = Vec::new();
    for claim in claims {
        match shares.is_revoked(claim.account) {
            Some(false) => open.push(claim),
            Some(true) => results.refuse(claim, Code::ReceiverGone),
            None => results.refuse(claim, Code::NotFound),
        }
    }
    let sorted = Sorted::read(tx, &open, results).await?;
    let wanted = grouped(sorted.new.iter().map(|claim| (claim.account, *claim)));
    let accounts = wanted.iter().map(|(account, _)| *account).collect::<Vec<_>>();
    let mut published = tx.published_keys_of(&accounts).await?;
    published.retain(|_, devices| {
        devices.retain(|device| device.registration_id.is_some() && device.is_published());
        !devices.is_empty()
    });
    let mut taken = take(tx, &wanted, &published).await?;
    for (account, claims) in wanted {
        for claim in claims {
            let devices = published.get(&account).map(Vec::as_slice).unwrap_or_default();
            let claimed = claimed(account, devices, &mut taken)?;
            results.set(claim.at, WriteResult::Claimed(claimed.ok_or_else(|| refusal(Code::NoKeys))));
        }
    }
    sorted.record(tx, results).await
}

/// Takes as many keys of each kind and device as claims of its account get.
async fn take(
    tx: &mut Tx,
    wanted: &[OfAccount<'_>],
    published: &HashMap<Uuid, Vec<Published>>,
) -> Result<HashMap<(DeviceKey, &'static str), Taken>> {
    let (mut kinds, mut claims_of) = (Vec::new(), Vec::new());
    for (account, claims) in wanted {
        for device in published.get(account).into_iter().flatten() {
            let device = DeviceKey { account: *account, device: device.device };
            kinds.extend([EC, PQ].map(|kind| (device, kind)));
            claims_of.extend([claims; 2]);
        }
    }
    let most = claims_of.iter().map(|claims| claims.len() + reserved(claims)).max().unwrap_or_default();
    let oldest = tx.oldest_keys(&kinds, most).await?;
    let (mut taken, mut owners) = (HashMap::new(), HashMap::new());
    for ((key, claims), ids) in kinds.into_iter().zip(claims_of).zip(oldest) {
        let (turns, left) = turns(claims, ids.len());
        owners.extend(ids.iter().take(ids.len() - left).map(|id| (*id, key)));
        let left = left.min(ENOUGH + reserved(claims)) as u64;
        taken.insert(key, Taken { turns, keys: VecDeque::new(), left });
    }
    let mut keys = tx.take_keys(&owners.keys().copied().collect::<Vec<_>>()).await?;
    keys.sort_unstable_by_key(|key| key.key_id);
    for key in keys {
        if let Some(taken) = owners.get(&key.id).and_then(|owner| taken.get_mut(owner)) {
            taken.keys.push_back(key);
        }
    }
    Ok(taken)
}

/// Which claims get one of so many keys, and how many are left: those for other homeservers leave a reserve.
fn turns(claims: &[&Claim<'_>], keys: usize) -> (VecDeque<bool>, usize) {
    let mut left = keys;
    let mut turn = |claim: &&Claim<'_>| {
        let gets = left > claim.remote.map_or(0, |remote| remote.reserve);
        left -= usize::from(gets);
        gets
    };
    (claims.iter().map(&mut turn).collect(), left)
}

/// How many keys may have to stay; a device has no more than are stored.
fn reserved(claims: &[&Claim<'_>]) -> usize {
    let reserves = claims.iter().filter_map(|claim| claim.remote).map(|remote| remote.reserve);
    reserves.max().unwrap_or_default().min(ONE_TIME_KEYS_STORED)
}

/// The bundle of one claim; none if the account has no identity key.
fn claimed(
    account: Uuid,
    published: &[Published],
    taken: &mut HashMap<(DeviceKey, &'static str), Taken>,
) -> Result<Option<Claimed>> {
    let (mut identity_key, mut devices, mut left) = (None, Vec::new(), Vec::new());
    for device in published {
        let key = DeviceKey { account, device: device.device };
        let mut take = |kind| {
            let taken = taken.entry((key, kind)).or_default();
            let gets = taken.turns.pop_front().unwrap_or_default();
            (if gets { taken.keys.pop_front() } else { None }, taken.left)
        };
        let ((ec, pre_keys), (pq, pq_pre_keys)) = (take(EC), take(PQ));
        let (Some(registration_id), Some(signed_pre_key), Some(last_resort)) =
            (device.registration_id, device.signed_pre_key.clone(), device.pq_last_resort_pre_key.clone())
        else {
            continue;
        };
        devices.push(ClaimedDevice {
            device_id: device.device,
            registration_id,
            signed_pre_key,
            pre_key: ec.map(OneTimeKey::unsigned).transpose()?,
            pq_pre_key: pq.map(OneTimeKey::signed).transpose()?.unwrap_or(last_resort),
        });
        left.push((device.device, KeysLow { pre_keys, pq_pre_keys }));
        identity_key.clone_from(&device.identity_key);
    }
    let identity_key = identity_key.map(Base64);
    Ok(identity_key.map(|identity_key| Claimed { bundle: ClaimedBundle { identity_key, devices }, left }))
}

impl Results {
    fn refuse(&mut self, claim: &Claim<'_>, code: Code) {
        self.set(claim.at, WriteResult::Claimed(Err(refusal(code))));
    }
}
