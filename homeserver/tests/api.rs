//! The homeserver through its front door: real servers, real ports, both databases.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

mod api {
    mod accounts;
    mod directory;
    mod federation_keys;
    mod hostile;
    mod logins;
    mod prekeys;
    mod refresh;
    mod retention;
    mod revocation;
    mod scopes;
    mod sessions;
    mod sockets;
}
