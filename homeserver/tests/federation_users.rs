//! Users of other homeservers: finding them, and claiming their keys, between real homeservers and against ones that play
//! false.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

mod federation_users {
    mod asking;
    mod budgets;
    mod claims;
    #[allow(dead_code)] // these tests need a part of each
    #[path = "../federation_doors/draft.rs"]
    mod draft;
    mod fake;
    #[allow(dead_code)]
    #[path = "../api/prekeys/owner.rs"]
    mod owner;
    #[allow(dead_code)]
    #[path = "../federation_doors/peer.rs"]
    mod peer;
    mod search;
    mod spoiled;
}
