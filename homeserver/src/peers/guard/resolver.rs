//! Names to addresses that were checked.
//!
//! It is the system's resolver (`getaddrinfo`), so that names mean what they mean to every program of the machine. Its
//! calls cannot be cancelled: places bound how many threads names that never resolve may hold.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::{Guard, Refused};

/// How long a name may take to resolve.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most addresses of a name that are tried: one with hundreds must not make us knock at hundreds of doors.
const TRIED: usize = 6;

/// Resolves names to addresses that a [`Guard`] lets pass.
#[derive(Debug, Clone)]
pub struct Resolver {
    guard: Guard,
    places: Arc<Semaphore>,
}

/// Why a name has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The system does not know it.
    #[error("the name {host} does not resolve: {source}")]
    Unknown {
        /// The name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// It took longer than 5 s.
    #[error("the name {0} did not resolve in time")]
    Slow(String),
    /// None of its addresses may be connected to; one of them.
    #[error("the name {host} resolves to {refused}")]
    Refused {
        /// The name.
        host: String,
        /// The address.
        refused: Refused,
    },
}

impl Resolver {
    /// A resolver that asks for at most `places` names at a time.
    pub fn new(guard: Guard, places: usize) -> Self {
        Self { guard, places: Arc::new(Semaphore::new(places)) }
    }

    /// The name's addresses that may be connected to, at least one; their ports are 0.
    pub async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let slow = || ResolveError::Slow(host.to_owned());
        let unknown = |source| ResolveError::Unknown { host: host.to_owned(), source };
        let found = timeout(PATIENCE, self.look_up(host.to_owned())).await.map_err(|_| slow())?.map_err(unknown)?;
        let mut refused = None;
        let passed: Vec<_> = found
            .into_iter()
            .filter(|address| self.guard.check(address.ip()).map_err(|why| refused = Some(why)).is_ok())
            .take(TRIED)
            .collect();
        match refused {
            Some(refused) if passed.is_empty() => Err(ResolveError::Refused { host: host.to_owned(), refused }),
            _ if passed.is_empty() => Err(unknown(io::Error::other("it has no address"))),
            _ => Ok(passed),
        }
    }

    /// The place is held until the system has answered, even where nobody waits any more.
    async fn look_up(&self, host: String) -> io::Result<Vec<SocketAddr>> {
        let place = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let asked = spawn_blocking(move || {
            let found = (host.as_str(), 0).to_socket_addrs().map(Iterator::collect);
            drop(place);
            found
        });
        asked.await.map_err(io::Error::other)?
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            Ok::<Addrs, _>(Box::new(addresses.into_iter()))
        })
    }
}
