//! Other homeservers, as this one reaches and believes them: where they are, which keys are theirs, what they signed.
//!
//! TLS says who is called; signatures say who calls. Nothing here knows the database: what is to be remembered is taken
//! and given back as values of `model`.

pub mod call;
pub mod discovery;
pub mod domain;
pub mod guard;
pub mod json;
pub mod outbound;
pub mod policy;
pub mod signature;
pub mod trust;

use std::sync::Arc;

use missive_wire::ServerName;

use self::{
    discovery::Discovery,
    outbound::{Outbound, OutboundError},
    policy::Policy,
};
use crate::{clock::Clock, config::Federation};

/// The ways to other servers.
pub struct Peers {
    /// Which are spoken to.
    pub policy: Arc<Policy>,
    /// Finding them.
    pub discovery: Discovery,
    outbound: Arc<Outbound>,
    clock: Clock,
}

impl Peers {
    /// The ways from the server `own` that the configuration leaves open. Reads `federation.ca_file`.
    pub fn new(own: ServerName, federation: &Federation, clock: Clock) -> Result<Self, OutboundError> {
        let policy = Arc::new(Policy::new(own, federation));
        let outbound = Arc::new(Outbound::new(federation)?);
        let discovery = Discovery::new(outbound.clone(), policy.clone(), clock.clone());
        Ok(Self { policy, discovery, outbound, clock })
    }
}
