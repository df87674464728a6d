//! How much other homeservers may claim and look up.

use uuid::Uuid;

use super::{
    claims::{claim, published},
    draft::{Answer, Draft},
    peer::{Peer, homes},
};
use crate::common::Home;

async fn claims(home: &Home, origin: &str, wanted: &[(&str, &str)]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (requester, name) in wanted {
        let draft = claim(home, name, Uuid::new_v4(), &format!("{requester}@{origin}"));
        let answer = Draft { origin: origin.to_owned(), ..draft }.send(home).await;
        if answer.status != 200 {
            assert_eq!((answer.says(), answer.signed), ((429, "rate_limited"), true));
            assert!(answer.retry_after().is_some_and(|seconds| seconds > 0));
        }
        statuses.push(answer.status);
    }
    statuses
}

#[tokio::test]
async fn claims_are_budgeted_per_requester_and_target() {
    let peer = Peer::start("two.example", 2).await;
    let settings = ["limits.claims_per_minute=3", "limits.claims_per_target_per_minute=2"];
    for home in homes(&[&peer], &settings).await {
        for name in ["alice", "carol"] {
            published(&home, name, 1).await;
        }
        let bob = [("bob", "alice"), ("bob", "alice"), ("bob", "Alice"), ("bob", "carol"), ("bob", "carol")];
        assert_eq!(claims(&home, "two.example", &bob).await, [200, 200, 429, 200, 429]);
        assert_eq!(claims(&home, "two.example", &[("dave", "alice")]).await, [200]);
        // However many requesters it makes up: four times as many as of one.
        let made_up = ["a", "b", "c", "d", "e", "f"].map(|name| (name, "alice"));
        assert_eq!(claims(&home, "two.example", &made_up).await, [200, 200, 200, 200, 200, 429]);
    }
}

#[tokio::test]
async fn claims_are_budgeted_per_server_and_per_domain() {
    let a = Peer::start("a.two.example", 2).await;
    let b = Peer::start("b.two.example", 2).await;
    let other = Peer::start("three.example", 2).await;
    let settings = ["limits.peer_claims_per_minute=2", "limits.domain_claims_per_minute=3"];
    for home in homes(&[&a, &b, &other], &settings).await {
        published(&home, "alice", 1).await;
        let wanted = [("bob", "alice"), ("carol", "alice"), ("dave", "alice")];
        assert_eq!(claims(&home, "a.two.example", &wanted).await, [200, 200, 429]);
        assert_eq!(claims(&home, "b.two.example", &wanted[..2]).await, [200, 429]);
        assert_eq!(claims(&home, "three.example", &wanted[..2]).await, [200, 200]);
    }
}

#[tokio::test]
async fn names_that_are_looked_up_are_budgeted_per_domain() {
    let a = Peer::start("a.two.example", 2).await;
    let b = Peer::start("b.two.example", 2).await;
    for home in homes(&[&a, &b], &["limits.domain_searches_per_minute=3"]).await {
        let mut statuses = Vec::new();
        for (origin, name) in [("a", "alice"), ("b", "carol"), ("a", "dave"), ("b", "eve")] {
            let draft = Draft::to(&home, "GET", &format!("/federation/v1/users/{name}"));
            let origin = format!("{origin}.two.example");
            let Answer { status, signed, .. } = Draft { body: Vec::new(), origin, ..draft }.send(&home).await;
            assert!(signed);
            statuses.push(status);
        }
        assert_eq!(statuses, [404, 404, 404, 429]);
    }
}
