//! Claiming keys: each one-time key leaves the database for exactly one claimer, however many ask at once. The account is
//! held, so nobody else takes keys of it meanwhile.

use std::collections::{HashMap, VecDeque};

use missive_wire::{Base64, ClaimedBundle, ClaimedDevice, Code, KeysLow};
use uuid::Uuid;

use super::{Results, grouped};
use crate::{
    model::DeviceKey,
    store::{
        Claimed, Result, Shares, Tx, WriteResult,
        prekeys::{EC, ENOUGH, OneTimeKey, PQ, Published, refusal},
    },
};

/// A bundle of an account to be claimed.
pub(super) struct Claim {
    pub(super) at: usize,
    pub(super) account: Uuid,
}

/// Keys of a kind that were taken for claims of a device, oldest first, and how many it has left.
#[derive(Default)]
struct Taken {
    keys: VecDeque<OneTimeKey>,
    left: u64,
}

/// Claims a bundle of every device that has published keys, taking its oldest one-time keys, each for one claim.
pub(super) async fn run(tx: &mut Tx, shares: &Shares, claims: &[Claim], results: &mut Results) -> Result<()> {
    let mut wanted = Vec::new();
    for (account, claims) in grouped(claims.iter().map(|claim| (claim.account, claim.at))) {
        match shares.is_revoked(account) {
            Some(false) => wanted.push((account, claims)),
            Some(true) => results.refuse(&claims, Code::ReceiverGone),
            None => results.refuse(&claims, Code::NotFound),
        }
    }
    let accounts = wanted.iter().map(|(account, _)| *account).collect::<Vec<_>>();
    let mut published = tx.published_keys_of(&accounts).await?;
    published.retain(|_, devices| {
        devices.retain(|device| device.registration_id.is_some() && device.is_published());
        !devices.is_empty()
    });
    let mut taken = take(tx, &wanted, &published).await?;
    for (account, claims) in wanted {
        let Some(devices) = published.get(&account) else {
            results.refuse(&claims, Code::NoKeys);
            continue;
        };
        for at in claims {
            let claimed = claimed(account, devices, &mut taken)?;
            results.set(at, WriteResult::Claimed(claimed.ok_or_else(|| refusal(Code::NoKeys))));
        }
    }
    Ok(())
}

/// Takes as many keys of each kind and device as there are claims of its account.
async fn take(
    tx: &mut Tx,
    wanted: &[(Uuid, Vec<usize>)],
    published: &HashMap<Uuid, Vec<Published>>,
) -> Result<HashMap<(DeviceKey, &'static str), Taken>> {
    let (mut kinds, mut claims_of) = (Vec::new(), Vec::new());
    for (account, claims) in wanted {
        for device in published.get(account).into_iter().flatten() {
            let device = DeviceKey { account: *account, device: device.device };
            kinds.extend([EC, PQ].map(|kind| (device, kind)));
            claims_of.extend([claims.len(); 2]);
        }
    }
    let most = claims_of.iter().copied().max().unwrap_or_default();
    let oldest = tx.oldest_keys(&kinds, most).await?;
    let (mut taken, mut owners) = (HashMap::new(), HashMap::new());
    for ((key, claims), ids) in kinds.into_iter().zip(claims_of).zip(oldest) {
        let left = ids.len().saturating_sub(claims).min(ENOUGH) as u64;
        owners.extend(ids.into_iter().take(claims).map(|id| (id, key)));
        taken.insert(key, Taken { keys: VecDeque::new(), left });
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
            (taken.keys.pop_front(), taken.left)
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
    fn refuse(&mut self, claims: &[usize], code: Code) {
        for at in claims {
            self.set(*at, WriteResult::Claimed(Err(refusal(code))));
        }
    }
}
