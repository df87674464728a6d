//! Password hashing (argon2id, OWASP's 19 MiB, t=2, p=1) on a few threads of low priority behind a bounded queue, so that
//! log-ins exhaust neither the memory nor the hand-over's latency.

mod hasher;

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use missive_wire::Code;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{config, error::Error};
use hasher::Hasher;

/// Each thread works on 19 MiB at a time; more of them would only make each log-in slower.
const THREADS_MAX: usize = 4;

/// How much lower than the rest of the server the threads run.
const NICENESS: i32 = 10;

/// How long a thread without work keeps its memory.
const REST: Duration = Duration::from_secs(5);

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
    let mut hasher = Hasher::default();
    loop {
        // Every thread looks up now and then, so that one that holds memory gets its turn to rest.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(REST);
        match next {
            Ok(job) => run(&mut hasher, job),
            Err(RecvTimeoutError::Timeout) => hasher.rest(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Does a job, unless its caller is gone.
fn run(hasher: &mut Hasher, Job { password, task }: Job) {
    match task {
        Task::Hash(done) if !done.is_closed() => {
            let _ = done.send(hasher.hash(&password));
        }
        Task::Verify(expected, done) if !done.is_closed() => {
            let _ = done.send(hasher.verify(&password, expected.as_deref()));
        }
        Task::Hash(_) | Task::Verify(..) => {}
    }
}
