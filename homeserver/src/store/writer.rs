//! Group commit: whatever queued while the last transaction ran goes into the next one; callers wait for the commit.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use missive_wire::ServerName;

use super::{FilledLanes, Result, Store, WriteOp, WriteResult, batch, wal::Wal};
use crate::model::Lane;

/// The most operations of one transaction.
const BATCH: usize = 1024;

/// How often a transaction is tried before its callers are told that it failed. An unknown commit outcome is one of the
/// failures: every operation may run twice, so trying again makes it true.
const TRIES: u32 = 5;

/// How long the parts of a failed batch are tried, all together, before the rest is told that it failed too.
const PATIENCE: Duration = Duration::from_secs(15);

/// Hands operations to the one task that writes them.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Request>,
    filled: Arc<FilledLanes>,
}

/// The operations could not be written, for now; whether some were is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database did not take the write")]
pub struct WriteFailed;

/// What operations came to.
#[derive(Debug, Clone)]
pub struct Committed {
    /// One result for each operation, in their order.
    pub results: Vec<WriteResult>,
    /// They were tried before, with an outcome that is unknown: the results may say less than what was changed.
    pub repeated: bool,
}

struct Request {
    ops: Vec<WriteOp>,
    done: oneshot::Sender<std::result::Result<Committed, WriteFailed>>,
}

impl Writer {
    /// Starts the writing task of the homeserver of that name. It ends when every handle is gone and the queue is empty.
    pub fn start(store: &Store, server_name: ServerName) -> Self {
        let (queue, requests) = mpsc::channel(1024);
        let filled = Arc::<FilledLanes>::default();
        let writing = Writing { store: store.for_writer(), own: server_name, filled: filled.clone() };
        tokio::spawn(writing.run(requests));
        Self { queue, filled }
    }

    /// The lanes of the outbox that something was put into.
    pub fn filled(&self) -> &Arc<FilledLanes> {
        &self.filled
    }

    /// Writes operations, in their order, in one transaction, and returns once it is committed.
    pub async fn write(&self, ops: Vec<WriteOp>) -> std::result::Result<Committed, WriteFailed> {
        let (done, result) = oneshot::channel();
        self.queue.send(Request { ops, done }).await.map_err(|_| WriteFailed)?;
        result.await.map_err(|_| WriteFailed)?
    }
}

/// What the writing task works with.
struct Writing {
    store: Store,
    own: ServerName,
    filled: Arc<FilledLanes>,
}

impl Writing {
    async fn run(self, mut requests: mpsc::Receiver<Request>) {
        // So that the first write finds a connection. Where it fails, that write says so.
        let _ = self.store.ping().await;
        let mut wal = Wal::of(&self.store);
        while let Some(first) = requests.recv().await {
            let mut ops = first.ops.len();
            let mut batch = vec![first];
            while ops < BATCH {
                let Ok(next) = requests.try_recv() else { break };
                ops += next.ops.len();
                batch.push(next);
            }
            self.commit(batch).await;
            if let Some(wal) = &mut wal {
                wal.bound().await;
            }
        }
    }

    /// Commits a batch; where it fails, each request is tried alone, so that none fails for another.
    async fn commit(&self, batch: Vec<Request>) {
        let started = Instant::now();
        let size = batch.iter().map(|request| request.ops.len()).sum::<usize>();
        match self.attempt(&batch.iter().map(|request| request.ops.as_slice()).collect::<Vec<_>>()).await {
            Ok(results) => {
                metrics::histogram!("store_commit_seconds").record(started.elapsed().as_secs_f64());
                metrics::counter!("store_writes_total").increment(size as u64);
                for (request, results) in batch.into_iter().zip(results) {
                    // A caller that is gone was not waiting to be told.
                    let _ = request.done.send(Ok(Committed { results, repeated: false }));
                }
            }
            Err(error) => {
                tracing::warn!(%error, operations = size, "a write failed; trying its parts alone");
                for request in batch {
                    let result = self.retry(&request.ops, started + PATIENCE).await;
                    let _ = request.done.send(result);
                }
            }
        }
    }

    /// Runs each request's operations in one transaction.
    async fn attempt(&self, requests: &[&[WriteOp]]) -> Result<Vec<Vec<WriteResult>>> {
        let mut filled = BTreeSet::new();
        let results = self.run_once(requests, &mut filled).await;
        // After a failure too: the commit may have been one, and the same written again puts nothing new there.
        self.filled.add(filled);
        results
    }

    async fn run_once(&self, requests: &[&[WriteOp]], filled: &mut BTreeSet<Lane>) -> Result<Vec<Vec<WriteResult>>> {
        let mut tx = self.store.begin().await?;
        let results = batch::run(&mut tx, requests, &self.own, filled).await?;
        tx.commit().await?;
        Ok(results)
    }

    async fn retry(&self, ops: &[WriteOp], until: Instant) -> std::result::Result<Committed, WriteFailed> {
        for attempt_number in 0..TRIES {
            if Instant::now() >= until {
                break;
            }
            match self.attempt(&[ops]).await {
                Ok(results) => {
                    return Ok(Committed { results: results.into_iter().flatten().collect(), repeated: true });
                }
                Err(error) => tracing::error!(%error, attempt_number, "a write failed"),
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt_number)).await;
        }
        Err(WriteFailed)
    }
}
