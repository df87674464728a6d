//! Where other homeservers come in: who is let in, who is refused and why, over real sockets. The other servers are played
//! by the tests, which publish keys and sign with them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

mod federation_doors {
    mod accepted;
    mod altered;
    mod budgets;
    mod draft;
    mod hostile;
    mod interop;
    mod peer;
    #[path = "../peers/python.rs"]
    mod python;
    mod refused;
    mod replayed;
    mod slow;
}
