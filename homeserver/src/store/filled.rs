//! The lanes of the outbox that something was put into, for whoever empties them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::model::Lane;

/// The most lanes that are remembered. Beyond, whoever empties them finds them when it looks at all.
const MOST: usize = 65_536;

/// Lanes that this process put something into. What other processes on the database put there does not show: whoever
/// empties lanes looks at [`super::Store::outbox_destinations`] from time to time too.
#[derive(Debug, Default)]
pub struct FilledLanes {
    lanes: Mutex<BTreeSet<Lane>>,
    filled: Notify,
}

impl FilledLanes {
    /// Takes every lane that was filled since this was asked last, waiting while there is none. One task asks.
    pub async fn next(&self) -> Vec<Lane> {
        loop {
            let lanes = std::mem::take(&mut *self.lanes());
            if !lanes.is_empty() {
                return lanes.into_iter().collect();
            }
            self.filled.notified().await;
        }
    }

    /// Something was put into these lanes.
    pub(super) fn add(&self, filled: BTreeSet<Lane>) {
        if filled.is_empty() {
            return;
        }
        let mut lanes = self.lanes();
        let room = MOST.saturating_sub(lanes.len());
        lanes.extend(filled.into_iter().take(room));
        drop(lanes);
        self.filled.notify_one();
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeSet<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
