//! Which addresses other servers may be called at (the defence against server-side request forgery).
//!
//! Names come from strangers, so that whoever makes one up must not reach machines inside our network through it. A
//! host is refused where it is, or resolves to, anything but a public unicast address; `federation.allow_networks` are
//! the exceptions. Three facts make the check hold:
//!
//! - A URL is parsed by the WHATWG rules, which turn every spelling of an IPv4 address (decimal, octal, hexadecimal,
//!   short, full-width, percent-encoded, with a trailing dot) into the usual one. Such hosts are checked before a call.
//! - Names are resolved by [`Resolver`] alone, at each new connection, and what it gives has been checked: a name that
//!   resolves to another address a moment later (DNS rebinding) changes nothing.
//! - No redirect is followed, and no proxy asked, so that nothing else is connected to.
//!
//! A `federation.resolve` entry is an admin's word and may name a private address: see `outbound/fixed.rs`.

mod networks;
mod resolver;

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;

pub use networks::{Special, special};
pub use resolver::{ResolveError, Resolver};

/// Decides which addresses may be connected to.
#[derive(Debug, Clone)]
pub struct Guard {
    allow: Vec<IpNet>,
}

/// An address that is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}; where another server is meant to be there, add its network to federation.allow_networks")]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub kind: Special,
}

impl Guard {
    /// Refuses all special addresses outside these networks.
    pub fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.to_vec() }
    }

    /// Refuses nothing: for what an admin wrote.
    pub(super) fn open() -> Self {
        let everything = [IpNet::from(IpAddr::from([0, 0, 0, 0])), IpNet::from(IpAddr::from([0; 16]))];
        Self { allow: everything.iter().filter_map(|network| IpNet::new(network.addr(), 0).ok()).collect() }
    }

    /// Whether an address may be connected to. An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is not what its
    /// network is allowed by: only the address as it stands counts.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        match special(address) {
            Some(kind) if !self.allow.iter().any(|network| network.contains(&address)) => {
                Err(Refused { address, kind })
            }
            _ => Ok(()),
        }
    }

    /// Checks a URL whose host is an address; one with a name is checked when that is resolved.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        literal(url).map_or(Ok(()), |address| self.check(address))
    }
}

/// The address that a URL's host is, if it is one.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
