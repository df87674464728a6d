//! Group commit: whatever queued while the last transaction ran goes into the next one; callers wait for the commit.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use missive_wire::ServerName;

use super::{Result, Store, WriteOp, WriteResult, batch, wal::Wal};

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
        tokio::spawn(run(store.for_writer(), server_name, requests));
        Self { queue }
    }

    /// Writes operations, in their order, in one transaction, and returns once it is committed.
    pub async fn write(&self, ops: Vec<WriteOp>) -> std::result::Result<Committed, WriteFailed> {
        let (done, result) = oneshot::channel();
        self.queue.send(Request { ops, done }).await.map_err(|_| WriteFailed)?;
        result.await.map_err(|_| WriteFailed)?
    }
}

async fn run(store: Store, own: ServerName, mut requests: mpsc::Receiver<Request>) {
    // So that the first write finds a connection. Where it fails, that write says so.
    let _ = store.ping().await;
    let mut wal = Wal::of(&store);
    while let Some(first) = requests.recv().await {
        let mut ops = first.ops.len();
        let mut batch = vec![first];
        while ops < BATCH {
            let Ok(next) = requests.try_recv() else { break };
            ops += next.ops.len();
            batch.push(next);
        }
        commit(&store, &own, batch).await;
        if let Some(wal) = &mut wal {
            wal.bound().await;
        }
    }
}

/// Commits a batch; where it fails, each request is tried alone, so that none fails for another.
async fn commit(store: &Store, own: &ServerName, batch: Vec<Request>) {
    let started = Instant::now();
    let size = batch.iter().map(|request| request.ops.len()).sum::<usize>();
    match attempt(store, own, &batch.iter().map(|request| request.ops.as_slice()).collect::<Vec<_>>()).await {
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
                let result = retry(store, own, &request.ops, started + PATIENCE).await;
                let _ = request.done.send(result);
            }
        }
    }
}

/// Runs each request's operations in one transaction.
async fn attempt(store: &Store, own: &ServerName, requests: &[&[WriteOp]]) -> Result<Vec<Vec<WriteResult>>> {
    let mut tx = store.begin().await?;
    let results = batch::run(&mut tx, requests, own).await?;
    tx.commit().await?;
    Ok(results)
}

async fn retry(
    store: &Store,
    own: &ServerName,
    ops: &[WriteOp],
    until: Instant,
) -> std::result::Result<Committed, WriteFailed> {
    for attempt_number in 0..TRIES {
        if Instant::now() >= until {
            break;
        }
        match attempt(store, own, &[ops]).await {
            Ok(results) => {
                return Ok(Committed { results: results.into_iter().flatten().collect(), repeated: true });
            }
            Err(error) => tracing::error!(%error, attempt_number, "a write failed"),
        }
        tokio::time::sleep(Duration::from_millis(50 << attempt_number)).await;
    }
    Err(WriteFailed)
}
