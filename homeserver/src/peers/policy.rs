//! Which servers are spoken to at all: `federation.enabled`, `federation.allow`, `federation.deny`.

use missive_wire::ServerName;

use crate::{config::Federation, model::ServerPattern};

/// Which servers are spoken to, in both directions.
#[derive(Debug, Clone)]
pub struct Policy {
    own: ServerName,
    enabled: bool,
    allow: Vec<ServerPattern>,
    deny: Vec<ServerPattern>,
}

/// Why a server is not spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// `federation.enabled` is false.
    #[error("this server does not federate: federation.enabled is false in its configuration")]
    Disabled,
    /// It is this server itself.
    #[error("that is this server itself")]
    Own,
    /// `federation.deny` has it.
    #[error("federation.deny of this server's configuration has it")]
    Denied,
    /// `federation.allow` is not empty and does not have it.
    #[error("federation.allow of this server's configuration does not have it")]
    NotAllowed,
}

impl Policy {
    /// The policy of the server `own`.
    pub fn new(own: ServerName, federation: &Federation) -> Self {
        let (allow, deny) = (federation.allow.clone(), federation.deny.clone());
        Self { own, enabled: federation.enabled, allow, deny }
    }

    /// Whether that server is spoken to. What is denied is denied, whatever is allowed.
    pub fn check(&self, server: &ServerName) -> Result<(), Denied> {
        let has = |patterns: &[ServerPattern]| patterns.iter().any(|pattern| pattern.matches(server));
        if !self.enabled {
            Err(Denied::Disabled)
        } else if *server == self.own {
            Err(Denied::Own)
        } else if has(&self.deny) {
            Err(Denied::Denied)
        } else if !self.allow.is_empty() && !has(&self.allow) {
            Err(Denied::NotAllowed)
        } else {
            Ok(())
        }
    }
}
