//! How much strangers and peers may ask for.

use super::{
    draft::{Answer, Draft},
    peer::{Peer, homes},
};
use crate::common::Home;

/// A ping from a client behind a trusted proxy.
async fn from_there(home: &Home, draft: &Draft, source: &str) -> Answer {
    let mut request = draft.sign();
    request.set("x-forwarded-for", source);
    request.send(home).await
}

#[tokio::test]
async fn a_stranger_who_keeps_failing_is_not_looked_at() {
    let peer = Peer::start("two.example", 2).await;
    let settings = ["limits.peer_failures_per_minute=3", "trusted_proxies=127.0.0.0/8"];
    for home in homes(&[&peer], &settings).await {
        let wrong = Draft { seed: 3, ..Draft::ping(&home) };
        for _ in 0..4 {
            assert_eq!(from_there(&home, &wrong, "192.0.2.1").await.says(), (401, "wrong_signature"));
        }
        for draft in [wrong, Draft::ping(&home)] {
            let answer = from_there(&home, &draft, "192.0.2.1").await;
            assert_eq!((answer.says(), answer.signed), ((429, "rate_limited"), false));
            assert!((1..=20).contains(&answer.retry_after().unwrap()));
        }
        // Whoever comes from elsewhere is.
        assert_eq!(from_there(&home, &Draft::ping(&home), "192.0.2.2").await.status, 200);
    }
}

/// Strangers who keep failing, or who fill every place, stand in no known server's way.
#[tokio::test]
async fn a_server_that_was_met_is_heard_whatever_strangers_do() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &["limits.peer_failures_per_minute=3"]).await {
        assert_eq!(Draft::ping(&home).send(&home).await.status, 200);
        for _ in 0..4 {
            let wrong = Draft { seed: 3, ..Draft::ping(&home) };
            assert_eq!(wrong.send(&home).await.says(), (401, "wrong_signature"));
        }
        // Its source is shut out, but for what is signed with a key that is pinned.
        let unknown = Draft { key_id: "k9", ..Draft::ping(&home) };
        assert_eq!(unknown.send(&home).await.says(), (429, "rate_limited"));
        let answer = Draft::ping(&home).send(&home).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{answer:?}");
    }
}

#[tokio::test]
async fn each_server_and_each_domain_has_its_budget() {
    let (a, b, other) = (
        Peer::start("a.two.example", 2).await,
        Peer::start("b.two.example", 2).await,
        Peer::start("three.example", 2).await,
    );
    // A second is long: the budget that comes back meanwhile is of no account.
    let settings = ["limits.peer_requests_per_second=4", "limits.domain_requests_per_second=6"];
    for home in homes(&[&a, &b, &other], &settings).await {
        let burst = async |origin: &str, count: usize| {
            let drafts = (0..count).map(|_| Draft { origin: origin.into(), ..Draft::ping(&home) }).collect::<Vec<_>>();
            let answers = futures_util::future::join_all(drafts.iter().map(|draft| draft.send(&home))).await;
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!((answer.says(), answer.signed), ((429, "rate_limited"), true));
                assert_eq!(answer.retry_after(), Some(1));
            }
            answers.iter().filter(|answer| answer.status == 200).count()
        };
        // Their keys are fetched first.
        assert_eq!((burst("a.two.example", 1).await, burst("b.two.example", 1).await), (1, 1));
        assert_eq!(burst("three.example", 1).await, 1);
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let first = burst("a.two.example", 20).await;
        assert!((4..10).contains(&first), "{first}");
        let second = burst("b.two.example", 20).await;
        assert!((1..8).contains(&second), "{second}");
        let third = burst("three.example", 4).await;
        assert_eq!(third, 4);
    }
}

#[tokio::test]
async fn peers_are_free_of_the_limit_by_source() {
    let peer = Peer::start("two.example", 2).await;
    for home in homes(&[&peer], &["limits.requests_per_second=30"]).await {
        // Each answer is verified with keys that are fetched by a client.
        for _ in 0..20 {
            let answer = Draft::ping(&home).sign();
            let request = home.client.post(format!("{}{}", home.url, answer.path));
            let sent = (0..3).map(|_| request.try_clone().unwrap().headers(answer.headers.clone()).body("{}").send());
            for answer in futures_util::future::join_all(sent).await {
                assert_ne!(answer.unwrap().status(), 429);
            }
        }
        assert_eq!(home.get("/health/live").await.0, 200);
    }
}
