//! What makes a still-valid access token worthless: ended sessions and revoked accounts, in memory, as the control
//! events tell.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

/// A server that cannot follow the control events for so long stops trusting tokens until it can.
const TRUST: Duration = Duration::from_secs(5);

/// An ended session is remembered longer than any access token of its lives.
const REMEMBERED: Duration = Duration::from_mins(20);

/// Sessions and accounts whose access tokens no longer count.
#[derive(Debug, Default)]
pub struct Revocations {
    state: Mutex<State>,
}

/// What the revocations say of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing against it.
    Good,
    /// Its session has ended.
    SessionEnded,
    /// Its account is revoked.
    AccountRevoked,
    /// Unknown: the server has not heard the control events for too long.
    Unknown,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<Uuid, Instant>,
    accounts: HashSet<Uuid>,
    heard: Option<Instant>,
}

impl Revocations {
    /// The control events up to now have been heard.
    pub fn heard(&self) {
        let mut state = self.state();
        state.heard = Some(Instant::now());
        state.sessions.retain(|_, ended| ended.elapsed() < REMEMBERED);
    }

    /// A session has ended.
    pub fn end_session(&self, session: Uuid) {
        self.state().sessions.insert(session, Instant::now());
    }

    /// An account is revoked.
    pub fn revoke(&self, account: Uuid) {
        self.state().accounts.insert(account);
    }

    /// An account is restored; sessions that ended with its revocation stay ended.
    pub fn restore(&self, account: Uuid) {
        self.state().accounts.remove(&account);
    }

    /// What is known against a token of that session and account.
    pub fn verdict(&self, session: Uuid, account: Uuid) -> Verdict {
        let state = self.state();
        if state.sessions.contains_key(&session) {
            Verdict::SessionEnded
        } else if state.accounts.contains(&account) {
            Verdict::AccountRevoked
        } else if state.heard.is_some_and(|heard| heard.elapsed() < TRUST) {
            Verdict::Good
        } else {
            Verdict::Unknown
        }
    }

    /// Whether the control events are being heard.
    pub fn is_following(&self) -> bool {
        self.state().heard.is_some_and(|heard| heard.elapsed() < TRUST)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
