//! Control events: how every server on a database learns within a second what one of them, or an admin, has done.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    app::App,
    error::StoreError,
    hub::Input,
    model::{ControlEvent, ControlKind},
    service::{delivery, federation_keys, peers},
};

/// How often the events are read.
pub const POLL: Duration = Duration::from_millis(300);

/// How long an event is read again. Rows become visible out of order on PostgreSQL; no writing transaction lasts longer
/// (`store/open.rs`).
const OVERLAP: Duration = Duration::from_secs(30);

/// Follows the control events of a database.
#[derive(Debug, Default)]
pub struct Follower {
    /// Events up to this id are never read again.
    low: i64,
    /// Events above it that were applied, and when.
    seen: HashMap<i64, Instant>,
    /// The federation keys have changed, and were not yet read again.
    keys_changed: bool,
    /// Another server was restored, and it was not yet read which.
    peer_restored: bool,
}

impl Follower {
    /// Applies every event that is kept, before any token is trusted. Not only those of the last minutes: whoever wrote one
    /// may have a clock that is slow.
    pub async fn begin(app: &Arc<App>) -> Result<Self, StoreError> {
        let mut follower = Self { peer_restored: true, ..Self::default() };
        follower.poll(app).await?;
        Ok(follower)
    }

    /// Reads what is new and applies it.
    pub async fn poll(&mut self, app: &Arc<App>) -> Result<(), StoreError> {
        let heard_up_to = Instant::now();
        let mut low = self.low;
        loop {
            let events = app.store.control_events(low).await?;
            let Some(last) = events.last() else { break };
            low = last.id;
            for event in events {
                if self.seen.insert(event.id, heard_up_to).is_none() {
                    self.keys_changed |= event.kind == ControlKind::FederationKeysChanged;
                    self.peer_restored |= event.kind == ControlKind::PeerRestored;
                    apply(app, &event);
                }
            }
        }
        self.forget_old();
        app.revocations.heard();
        if self.keys_changed {
            federation_keys::reload(app).await?;
            self.keys_changed = false;
        }
        if self.peer_restored {
            peers::load_restored(app).await?;
            self.peer_restored = false;
        }
        Ok(())
    }

    /// Raises `low` to the highest id below which everything was seen long enough ago.
    fn forget_old(&mut self) {
        let old = self.seen.iter().filter(|(_, seen)| seen.elapsed() > OVERLAP).map(|(id, _)| *id);
        if let Some(highest) = old.max() {
            self.low = self.low.max(highest);
            self.seen.retain(|id, _| *id > highest);
        }
    }
}

fn apply(app: &Arc<App>, event: &ControlEvent) {
    tracing::debug!(kind = event.kind.as_str(), "control event");
    let tell = |input: &dyn Fn() -> Input| delivery::tell_account(app, event.account, input);
    match event.kind {
        ControlKind::SessionEnded => {
            if let Some(session) = event.session {
                app.revocations.end_session(session);
                tell(&|| Input::EndSession(session));
            }
        }
        ControlKind::AccountRevoked => {
            app.revocations.revoke(event.account);
            app.directory.forget(event.account);
            tell(&|| Input::EndAll);
        }
        ControlKind::AccountRestored => {
            app.revocations.restore(event.account);
            app.directory.forget(event.account);
        }
        ControlKind::AccountChanged => {
            app.directory.forget(event.account);
            tell(&|| Input::LookAgain);
        }
        ControlKind::Stored => tell(&|| Input::LookAgain),
        ControlKind::PeersChanged => peers::read_anew(app),
        // The follower reads them, once for however many events.
        ControlKind::FederationKeysChanged | ControlKind::PeerRestored => {}
    }
}
