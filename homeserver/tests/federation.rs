//! Messages and statuses between two homeservers: in-process, on real sockets, on both databases, by a clock that is turned.
#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures)]

mod common;

mod federation {
    #[allow(dead_code)] // Shared with the tests of the doors.
    #[path = "../federation_doors/draft.rs"]
    mod draft;
    mod exchange;
    mod faults;
    mod faulty;
    mod forged;
    mod isolation;
    mod later;
    mod origin;
    mod outage;
    #[allow(dead_code)] // Shared with the tests of the doors.
    #[path = "../federation_doors/peer.rs"]
    mod peer;
    mod people;
    mod proxy;
    mod restored;
}
