//! `federation.resolve`: where an admin says how to connect.
//!
//! The entry is trusted. It is not held against the guard, so that it may name a private address without
//! `federation.allow_networks`; it may say `http`, for a network that encrypts by itself or for tests; and each has
//! connections of its own, so that no name said by another server ever leads there.
//!
//! The certificate must be for the name that is called: that of the entry's URL; or, where the entry has an IP address,
//! that of the server.

use std::net::SocketAddr;

use missive_wire::ServerName;
use reqwest::ClientBuilder;

use super::{BaseUrl, LOOK_UPS, OutboundError, Route};
use crate::peers::guard::{Guard, Resolver, literal};

/// The way to a server by its entry.
pub(super) fn route(server: &ServerName, url: &str, client: ClientBuilder) -> Result<Route, OutboundError> {
    let wrong = |source| OutboundError::Resolve { server: server.clone(), source };
    let base = BaseUrl::any(url).map_err(wrong)?;
    let host = server.as_str().split(':').next().unwrap_or_default();
    let named = base.on_host(host).filter(|named| literal(named.url()).is_none());
    let (base, client) = match (literal(base.url()), named) {
        (Some(address), Some(named)) if base.url().scheme() == "https" => {
            (named, client.resolve(host, SocketAddr::new(address, 0)))
        }
        _ => (base, client.dns_resolver(Resolver::new(Guard::open(), LOOK_UPS))),
    };
    Ok(Route::trusted(client.build().map_err(OutboundError::Tls)?, base))
}
