//! Claims for other homeservers.

use std::collections::HashSet;

use homeserver::store::{Claimed, RemoteClaimOp, WriteOp, WriteResult};
use missive_wire::{Base64, Code, KeyUpload, PreKey, SignedPreKey, Timestamp};
use uuid::Uuid;

use crate::{
    database::Kind,
    on_both,
    rig::{Rig, account, address, device, now},
};

on_both!(
    the_same_claim_gets_the_same_keys,
    a_claim_is_of_one_account,
    each_key_is_claimed_once,
    a_reserve_stays_for_others,
    what_was_claimed_is_forgotten_with_the_keys,
);

fn upload(ids: std::ops::RangeInclusive<u32>) -> KeyUpload {
    let signed = |key_id| SignedPreKey { key_id, public_key: Base64(vec![5; 33]), signature: Base64(vec![6; 64]) };
    KeyUpload {
        registration_id: Some(1),
        signed_pre_key: Some(signed(1)),
        pq_last_resort_pre_key: Some(signed(1)),
        pre_keys: ids.clone().map(|key_id| PreKey { key_id, public_key: Base64(vec![5; 33]) }).collect(),
        pq_pre_keys: ids.map(signed).collect(),
        ..KeyUpload::default()
    }
}

async fn publish(rig: &Rig, n: usize, keys: u32) {
    let (upload, hash) = (upload(1..=keys), b"upload");
    rig.store.publish_keys(device(n), b"identity", &upload, hash, now()).await.unwrap().unwrap();
}

fn claim(n: usize, claim_id: u128, reserve: usize) -> WriteOp {
    let claim_id = Uuid::from_u128(claim_id);
    let remote = RemoteClaimOp { origin: "two.example".parse().unwrap(), claim_id, at: now(), reserve };
    WriteOp::Claim { account: account(n), remote: Some(remote) }
}

fn claimed(result: &WriteResult) -> &Claimed {
    let WriteResult::Claimed(Ok(claimed)) = result else { panic!("{result:?}") };
    claimed
}

fn refused(result: &WriteResult) -> Code {
    let WriteResult::Claimed(Err(refusal)) = result else { panic!("{result:?}") };
    refusal.code
}

fn key(result: &WriteResult) -> Option<u32> {
    claimed(result).bundle.devices[0].pre_key.as_ref().map(|key| key.key_id)
}

async fn the_same_claim_gets_the_same_keys(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    publish(&rig, 0, 30).await;
    let results = rig.write(vec![claim(0, 1, 0), claim(0, 1, 0), claim(0, 2, 0)]).await;
    assert_eq!([0, 1, 2].map(|n| key(&results[n])), [Some(1), Some(1), Some(2)]);
    assert_eq!(claimed(&results[0]).left.len(), 1);
    assert!(claimed(&results[1]).left.is_empty());
    let again = rig.write(vec![claim(0, 2, 0), claim(0, 1, 0)]).await;
    assert_eq!(claimed(&again[0]).bundle, claimed(&results[2]).bundle);
    assert_eq!(claimed(&again[1]).bundle, claimed(&results[0]).bundle);
    assert!(again.iter().all(|result| claimed(result).left.is_empty()));
    assert_eq!(rig.store.count_keys(device(0)).await.unwrap(), (28, 28));
    // The ids of another homeserver are its own.
    let WriteOp::Claim { account, remote: Some(remote) } = claim(0, 1, 0) else { unreachable!() };
    let other = RemoteClaimOp { origin: "three.example".parse().unwrap(), ..remote };
    assert_eq!(key(&rig.write(vec![WriteOp::Claim { account, remote: Some(other) }]).await[0]), Some(3));
    // After a day it is forgotten.
    let zero = Timestamp::from_millis(0);
    rig.store.purge_federation(zero, zero, Timestamp::from_millis(now().millis() + 1)).await.unwrap();
    assert_eq!(key(&rig.write(vec![claim(0, 1, 0)]).await[0]), Some(4));
}

async fn a_claim_is_of_one_account(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    publish(&rig, 0, 30).await;
    publish(&rig, 1, 30).await;
    let results = rig.write(vec![claim(0, 1, 0), claim(1, 1, 0)]).await;
    assert_eq!((key(&results[0]), refused(&results[1])), (Some(1), Code::Malformed));
    assert_eq!(refused(&rig.write(vec![claim(1, 1, 0)]).await[0]), Code::Malformed);
    assert_eq!(refused(&rig.write(vec![claim(7, 2, 0)]).await[0]), Code::NotFound);
    assert_eq!(rig.store.count_keys(device(1)).await.unwrap(), (30, 30));
}

async fn each_key_is_claimed_once(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    publish(&rig, 0, 100).await;
    let other = rig.other_writer().await;
    // Every claim comes twice, to each server on the database.
    let claims = (0..150).flat_map(|n| {
        [&rig.writer, &other].map(|writer| {
            let writer = writer.clone();
            tokio::spawn(async move { (n, writer.write(vec![claim(0, n, 0)]).await.unwrap().results.remove(0)) })
        })
    });
    let mut of_claim = std::collections::HashMap::<u128, HashSet<Option<u32>>>::new();
    for task in claims.collect::<Vec<_>>() {
        let (n, result) = task.await.unwrap();
        of_claim.entry(n).or_default().insert(key(&result));
    }
    assert!(of_claim.values().all(|keys| keys.len() == 1), "the same claim, the same keys");
    let keys = of_claim.into_values().flatten().flatten().collect::<Vec<_>>();
    assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (100, 100));
}

async fn a_reserve_stays_for_others(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    publish(&rig, 0, 40).await;
    let local = || WriteOp::Claim { account: account(0), remote: None };
    let mut ops = (0..14).map(|n| claim(0, n, 30)).collect::<Vec<_>>();
    ops.insert(9, local());
    let results = rig.write(ops).await;
    let got = results.iter().map(key).collect::<Vec<_>>();
    assert_eq!(got[..10], (1..=10).map(Some).collect::<Vec<_>>(), "nine from elsewhere, one from here");
    assert!(got[10..].iter().all(Option::is_none), "{got:?}");
    let last = &claimed(&results[14]).bundle.devices[0];
    assert_eq!(last.pq_pre_key.key_id, 1, "the last resort");
    assert_eq!(key(&rig.write(vec![local()]).await[0]), Some(11));
    assert_eq!(key(&rig.write(vec![claim(0, 99, usize::MAX)]).await[0]), None);
    assert_eq!(rig.store.count_keys(device(0)).await.unwrap(), (29, 29));
    let left = async |op| claimed(&rig.write(vec![op]).await[0]).left[0].1.pre_keys;
    assert_eq!(left(claim(0, 100, 28)).await, 28, "nothing but the reserve, of which its owner is to hear");
    assert_eq!(left(claim(0, 101, 0)).await, 20, "more are not counted");
}

async fn what_was_claimed_is_forgotten_with_the_keys(kind: Kind) {
    let Some(rig) = Rig::new(kind).await else { return };
    publish(&rig, 0, 30).await;
    publish(&rig, 1, 30).await;
    rig.write(vec![claim(0, 1, 0), claim(0, 2, 0), claim(1, 3, 0)]).await;
    let (upload, hash) = (upload(31..=40), &b"hash"[..]);
    let keys = (&b"another"[..], &upload, hash);
    rig.store.start_over(device(0), Uuid::nil(), &address(0), keys, now()).await.unwrap().unwrap();
    assert_eq!(rig.database.rows("federation_claims").await, 1);
    let again = rig.write(vec![claim(0, 1, 0)]).await;
    assert_eq!(claimed(&again[0]).bundle.identity_key.0, b"another");
    rig.store.delete_account(account(0), &address(0), b"alice", now()).await.unwrap().unwrap();
    assert_eq!(rig.database.rows("federation_claims").await, 1);
    rig.store.revoke_account(account(1), &address(1), now()).await.unwrap().unwrap();
    assert_eq!(refused(&rig.write(vec![claim(1, 3, 0)]).await[0]), Code::ReceiverGone);
}
