//! Where a request comes from, believing only the proxies that the configuration trusts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use ipnet::IpNet;

use super::{Failure, Shared};
use crate::app::Limit;

/// The network a request comes from: an IPv4 address, or the /64 of an IPv6 one. It is what limits count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(pub IpAddr);

impl Source {
    /// The source of a connection from `peer` with these headers.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut client = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops = forwarded.flat_map(|value| value.split(',')).collect::<Vec<_>>();
        // Each proxy appends whom it was called by: walk back from our own peer as long as we trust who speaks.
        for hop in hops.iter().rev() {
            if !is_trusted(&client) {
                break;
            }
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
        }
        Self(prefix(client))
    }
}

impl FromRequestParts<Shared> for Source {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Failure> {
        Ok(source(&parts.headers, parts.extensions.get::<ConnectInfo<SocketAddr>>(), app))
    }
}

/// Bounds what one source may ask for in a second.
pub async fn limit(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let source = source(request.headers(), request.extensions().get::<ConnectInfo<SocketAddr>>(), &app);
    match app.limits.check(Limit::Request, &source.0) {
        Ok(()) => next.run(request).await,
        Err(error) => Failure(error).into_response(),
    }
}

fn source(headers: &HeaderMap, peer: Option<&ConnectInfo<SocketAddr>>, app: &Shared) -> Source {
    let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    Source::of(peer, headers, &app.config.trusted_proxies)
}

fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}
