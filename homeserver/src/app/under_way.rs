//! What is being worked on, so that the same is not begun twice.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use missive_wire::ServerName;

/// Names of works, each of one other homeserver.
type Works = HashSet<(ServerName, String)>;

/// What is being worked on for other homeservers.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<Works>>);

/// A work that was begun. It ends when this is dropped.
#[derive(Debug)]
pub struct Begun {
    works: UnderWay,
    name: (ServerName, String),
}

impl UnderWay {
    /// Begins a work; `None` if the same is under way.
    pub fn begin(&self, origin: &ServerName, name: &str) -> Option<Begun> {
        let name = (origin.clone(), name.to_owned());
        self.lock().insert(name.clone()).then(|| Begun { works: self.clone(), name })
    }

    fn lock(&self) -> MutexGuard<'_, Works> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.works.lock().remove(&self.name);
    }
}
