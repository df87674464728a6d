//! Group commit: whatever queued while the last transaction ran goes into the next one; callers wait for the commit.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Result, Store, WriteOp, WriteResult};

/// The most operations of one transaction.
const BATCH: usize = 512;

/// How often a transaction is tried before its callers are told that it failed. An unknown commit outcome is one of the
/// failures: every operation may run twice, so trying again tells what became of it.
const TRIES: u32 = 5;

/// Hands operations to the one task that writes them.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Request>,
}

/// The operations could not be written, for now; whether some were is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database did not take the write")]
pub struct WriteFailed;

struct Request {
    ops: Vec<WriteOp>,
    done: oneshot::Sender<std::result::Result<Vec<WriteResult>, WriteFailed>>,
}

impl Writer {
    /// Starts the writing task. It ends when every handle is gone and the queue is empty.
    pub fn start(store: Store) -> Self {
        let (queue, requests) = mpsc::channel(1024);
        tokio::spawn(run(store, requests));
        Self { queue }
    }

    /// Writes operations, in their order, in one transaction, and returns once it is committed.
    pub async fn write(&self, ops: Vec<WriteOp>) -> std::result::Result<Vec<WriteResult>, WriteFailed> {
        let (done, result) = oneshot::channel();
        self.queue.send(Request { ops, done }).await.map_err(|_| WriteFailed)?;
        result.await.map_err(|_| WriteFailed)?
    }
}

async fn run(store: Store, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.recv().await {
        let mut ops = first.ops.len();
        let mut batch = vec![first];
        while ops < BATCH {
            let Ok(next) = requests.try_recv() else { break };
            ops += next.ops.len();
            batch.push(next);
        }
        commit(&store, batch).await;
    }
}

/// Commits a batch; where it fails, each request is tried alone, so that none fails for another.
async fn commit(store: &Store, batch: Vec<Request>) {
    let started = tokio::time::Instant::now();
    let size = batch.iter().map(|request| request.ops.len()).sum::<usize>();
    match attempt(store, &batch).await {
        Ok(results) => {
            metrics::histogram!("store_commit_seconds").record(started.elapsed().as_secs_f64());
            metrics::counter!("store_writes_total").increment(size as u64);
            for (request, results) in batch.into_iter().zip(results) {
                // A caller that is gone was not waiting to be told.
                let _ = request.done.send(Ok(results));
            }
        }
        Err(error) => {
            tracing::warn!(%error, operations = size, "a write failed; trying its parts alone");
            for request in batch {
                let result = retry(store, &request.ops).await;
                let _ = request.done.send(result);
            }
        }
    }
}

async fn attempt(store: &Store, batch: &[Request]) -> Result<Vec<Vec<WriteResult>>> {
    let mut tx = store.begin().await?;
    let mut results = Vec::with_capacity(batch.len());
    for request in batch {
        let mut of_request = Vec::with_capacity(request.ops.len());
        for op in &request.ops {
            of_request.push(op.run(&mut tx).await?);
        }
        results.push(of_request);
    }
    tx.commit().await?;
    Ok(results)
}

async fn retry(store: &Store, ops: &[WriteOp]) -> std::result::Result<Vec<WriteResult>, WriteFailed> {
    for attempt in 0..TRIES {
        match alone(store, ops).await {
            Ok(results) => return Ok(results),
            Err(error) => tracing::error!(%error, attempt, "a write failed"),
        }
        tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
    }
    Err(WriteFailed)
}

async fn alone(store: &Store, ops: &[WriteOp]) -> Result<Vec<WriteResult>> {
    let mut tx = store.begin().await?;
    let mut results = Vec::with_capacity(ops.len());
    for op in ops {
        results.push(op.run(&mut tx).await?);
    }
    tx.commit().await?;
    Ok(results)
}
