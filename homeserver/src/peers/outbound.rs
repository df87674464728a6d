//! Calls to other servers: the only way out. No redirect is followed, no proxy asked, no cookie kept; every call is bounded
//! in time and every answer in size.

mod base;
mod failure;
mod fixed;
mod route;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use missive_wire::ServerName;
use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};

pub use base::{BaseUrl, InvalidBaseUrl};
pub use failure::{CallError, TlsProblem};
pub use route::{Bounds, Incoming, Route};

use super::guard::{Guard, Resolver};
use crate::config::Federation;

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: longer than the pauses of a conversation.
const IDLE: Duration = Duration::from_secs(90);

/// When an HTTP/2 connection on which something waits is asked whether it still lives, and how long it may take to say so.
const PROBE: Duration = Duration::from_secs(10);

/// The most names that are resolved at a time for servers that are known, and for strangers. They do not share, so that
/// made-up names that never resolve do not delay messages.
const LOOK_UPS: usize = 32;

/// Everything that is needed to call other servers.
pub struct Outbound {
    guard: Guard,
    /// For servers whose keys are known.
    known: Client,
    /// For servers that are looked for.
    strangers: Client,
    /// Where `federation.resolve` says how to connect.
    fixed: BTreeMap<ServerName, Route>,
}

/// Why other servers cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// `federation.ca_file` cannot be read.
    #[error("federation.ca_file {} cannot be read: {source}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `federation.ca_file` has no certificate.
    #[error("federation.ca_file {} holds no certificates in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// TLS cannot be set up: most often, the system has no certificates of authorities.
    #[error(
        "TLS for calls to other servers cannot be set up ({0}): install the system's certificates (ca-certificates)"
    )]
    Tls(reqwest::Error),
    /// A `federation.resolve` entry is no URL to call.
    #[error("federation.resolve of {server}: {source}")]
    Resolve {
        /// Whose.
        server: ServerName,
        /// Why.
        source: InvalidBaseUrl,
    },
}

impl Outbound {
    /// What the configuration asks for. Reads `federation.ca_file`.
    pub fn new(federation: &Federation) -> Result<Self, OutboundError> {
        let guard = Guard::new(&federation.allow_networks);
        let authorities = authorities(federation)?;
        let guarded = || {
            let resolver = Resolver::new(guard.clone(), LOOK_UPS);
            client(&authorities).https_only(true).dns_resolver(resolver)
        };
        let known = guarded().build().map_err(OutboundError::Tls)?;
        // No connection to a stranger is kept.
        let strangers = guarded().pool_max_idle_per_host(0).build().map_err(OutboundError::Tls)?;
        let entry = |(server, url): (&ServerName, &String)| {
            let route = fixed::route(server, url, client(&authorities))?;
            Ok((server.clone(), route))
        };
        let fixed = federation.resolve.iter().map(entry).collect::<Result<_, OutboundError>>()?;
        Ok(Self { guard, known, strangers, fixed })
    }

    /// Where `federation.resolve` says that a server is.
    pub fn fixed(&self, server: &ServerName) -> Option<Route> {
        self.fixed.get(server).cloned()
    }

    /// The way to a server whose base URL it said itself.
    pub fn known(&self, base: BaseUrl) -> Route {
        Route::guarded(self.known.clone(), base, self.guard.clone())
    }

    /// The way to a name that somebody said.
    pub fn stranger(&self, base: BaseUrl) -> Route {
        Route::guarded(self.strangers.clone(), base, self.guard.clone())
    }
}

fn client(authorities: &[Certificate]) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("missive/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        // Each attempt is signed anew, so that none may be repeated below us.
        .retry(retry::never())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .http2_keep_alive_timeout(PROBE)
        .http2_max_header_list_size(64 * 1024)
        .tls_certs_merge(authorities.iter().cloned())
}

fn authorities(federation: &Federation) -> Result<Vec<Certificate>, OutboundError> {
    let Some(path) = &federation.ca_file else { return Ok(Vec::new()) };
    let pem = fs::read(path).map_err(|source| OutboundError::CaFile { path: path.clone(), source })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(OutboundError::NoCertificate(path.clone())),
    }
}
