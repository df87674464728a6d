//! A request that was let in once is not let in again: not after a restart, and not by another server on the database.

use super::{
    draft::{Answer, Draft},
    peer::{Peer, homes},
};

fn replayed(answer: &Answer) {
    assert_eq!((answer.says(), answer.signed), ((401, "replayed"), true), "{answer:?}");
}

#[tokio::test]
async fn a_nonce_counts_once() {
    let (two, three) = (Peer::start("two.example", 2).await, Peer::start("three.example", 3).await);
    for home in homes(&[&two, &three], &[]).await {
        let draft = Draft::ping(&home);
        let request = draft.sign();
        assert_eq!(request.send(&home).await.status, 200);
        replayed(&request.send(&home).await);
        // Also in another request; but another server may choose the same.
        let other = Draft { nonce: draft.nonce.clone(), ..Draft::to(&home, "POST", "/federation/v1/wake") };
        replayed(&other.send(&home).await);
        let third = Draft { origin: "three.example".into(), seed: 3, ..draft.clone() };
        assert_eq!(third.send(&home).await.status, 200);
        // As long as the signature counts at all.
        home.clock.advance(299_000);
        replayed(&request.send(&home).await);
        home.clock.advance(2_000);
        assert_eq!(request.send(&home).await.says(), (401, "signature_expired"));
    }
}

#[tokio::test]
async fn of_many_copies_that_come_at_once_one_counts() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        // Of strangers, only one is waited for.
        assert_eq!(Draft::ping(&home).send(&home).await.status, 200);
        let request = Draft::ping(&home).sign();
        let copies = (0..20).map(|_| request.send(&home));
        let answers = futures_util::future::join_all(copies).await;
        let accepted = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(accepted, 1);
        answers.iter().filter(|answer| answer.status != 200).for_each(replayed);
    }
}

#[tokio::test]
async fn a_request_whose_body_was_changed_is_spent() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await {
        let request = Draft::ping(&home).sign();
        let mut altered = request.clone();
        altered.body.push(b' ');
        assert_eq!(altered.send(&home).await.says(), (401, "wrong_body"));
        replayed(&request.send(&home).await);
    }
}

#[tokio::test]
async fn a_restart_forgets_no_nonce() {
    let peer = Peer::start("two.example", 2).await;
    for mut home in homes(&[&peer], &[]).await {
        let request = Draft::ping(&home).sign();
        assert_eq!(request.send(&home).await.status, 200);
        home.restart().await;
        replayed(&request.send(&home).await);
    }
}

#[tokio::test]
async fn replicas_remember_each_others_nonces() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &[]).await.into_iter().filter(crate::common::Home::is_postgres) {
        let replica = home.replica().await;
        let request = Draft::ping(&home).sign();
        assert_eq!(request.send(&home).await.status, 200);
        replayed(&request.send_to(&home, &replica.url).await);
        let request = Draft::ping(&home).sign();
        let (here, there) = tokio::join!(request.send(&home), request.send_to(&home, &replica.url));
        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
}
