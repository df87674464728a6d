//! How this server reaches and believes others, layer by layer; calls go over real sockets, to servers that behave and to
//! such that do not.
#![allow(clippy::unwrap_used, clippy::panic)]

mod peers {
    mod answers;
    mod calls;
    mod discovery;
    mod documents;
    mod guard;
    mod hostile;
    mod interop;
    mod outbound;
    mod policy;
    mod python;
    mod rfc9421;
    mod server;
    mod signatures;
    mod sockets;
    mod trust;
    mod trust_model;
}
