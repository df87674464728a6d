//! Password hashing (argon2id, OWASP's 19 MiB, t=2, p=1) on a few threads of low priority behind a bounded queue, so that
//! log-ins exhaust neither the memory nor the hand-over's latency.

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{PasswordHash, SaltString},
};
use missive_wire::Code;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{clock::Clock, config, error::Error};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Each thread works on 19 MiB at a time; more of them would only make each log-in slower.
const THREADS_MAX: usize = 4;

/// How much lower than the rest of the server the threads run.
const NICENESS: i32 = 10;

/// The hash that an unknown name's password is compared with: it costs what a real one costs, and nothing matches it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The threads that hash. They end when this handle is gone.
pub struct Passwords {
    jobs: SyncSender<Job>,
}

/// Too many passwords are waiting already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many log-ins are waiting")]
pub struct PasswordsBusy;

struct Job {
    password: Zeroizing<String>,
    task: Task,
}

enum Task {
    Hash(oneshot::Sender<Option<String>>),
    Verify(Option<String>, oneshot::Sender<bool>),
}

impl Passwords {
    /// Starts the threads.
    pub fn start(limits: &config::Limits) -> Self {
        let (jobs, queue) = sync_channel(limits.password_queue as usize);
        let queue = Arc::new(Mutex::new(queue));
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        for number in 0..threads {
            let queue = queue.clone();
            let started = thread::Builder::new().name(format!("password-{number}")).spawn(move || work(&queue));
            if let Err(error) = started {
                tracing::error!(%error, number, "a password thread could not be started");
            }
        }
        Self { jobs }
    }

    /// Hashes a new password, in PHC form.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, PasswordsBusy> {
        let (done, hash) = oneshot::channel();
        self.queue(Job { password, task: Task::Hash(done) })?;
        hash.await.ok().flatten().ok_or(PasswordsBusy)
    }

    /// Whether the password is the one of `hash`; without a hash it takes as long and says no.
    pub async fn verify(&self, password: Zeroizing<String>, hash: Option<String>) -> Result<bool, PasswordsBusy> {
        let (done, verdict) = oneshot::channel();
        self.queue(Job { password, task: Task::Verify(hash, done) })?;
        verdict.await.map_err(|_| PasswordsBusy)
    }

    fn queue(&self, job: Job) -> Result<(), PasswordsBusy> {
        self.jobs.try_send(job).map_err(|_| PasswordsBusy)
    }
}

impl From<PasswordsBusy> for Error {
    fn from(PasswordsBusy: PasswordsBusy) -> Self {
        Self::temporary(
            Code::Unavailable,
            "too many people are logging in at the moment; try again in a few seconds",
            3,
        )
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    // On Linux this is the calling thread's own; where it is not allowed, hashing merely is not polite.
    let _ = rustix::process::nice(NICENESS);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        run(job);
    }
}

/// Does a job, unless its caller is gone.
fn run(Job { password, task }: Job) {
    match task {
        Task::Hash(done) if !done.is_closed() => drop(done.send(hash(&password))),
        Task::Verify(expected, done) if !done.is_closed() => drop(done.send(verify(&password, expected.as_deref()))),
        Task::Hash(_) | Task::Verify(..) => {}
    }
}

fn hash(password: &str) -> Option<String> {
    let salt = SaltString::encode_b64(&Clock::default().random::<16>()?).ok()?;
    let hash = hasher()?.hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).inspect_err(|error| tracing::error!(%error, "a password was not hashed")).ok()
}

fn verify(password: &str, expected: Option<&str>) -> bool {
    let matches = |hash: &str| {
        let (Ok(hash), Some(hasher)) = (PasswordHash::new(hash), hasher()) else {
            tracing::error!("a stored password hash is not valid");
            return false;
        };
        hasher.verify_password(password.as_bytes(), &hash).is_ok()
    };
    let is_right = matches(expected.unwrap_or(NOBODY));
    expected.is_some() && is_right
}

fn hasher() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_only() {
        let hashed = hash("correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", Some(&hashed)));
        assert!(!verify("correct horsf", Some(&hashed)));
    }

    #[test]
    fn nobody_has_a_readable_hash_of_the_same_cost_that_never_matches() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = hash("x").unwrap();
        assert_eq!(nobody.params, PasswordHash::new(&real).unwrap().params);
        assert_eq!(nobody.hash.unwrap().len(), 32);
        assert!(!verify("anything", None));
    }
}
