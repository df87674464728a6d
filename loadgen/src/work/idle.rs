//! W3: the memory of connections on which nothing happens.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::time::sleep;

use super::{Bench, section};
use crate::{
    cli::Workload,
    figures::{Value, float, value},
    frames::Incoming,
    machine,
    report::Section,
    socket::Socket,
};

/// Connections, before the scale.
const CONNECTIONS: u32 = 10_000;

/// Files that a process needs besides its connections.
const OTHER_FILES: u64 = 256;

/// How long the server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Section> {
    let wanted = bench.options.connections.unwrap_or(bench.options.scaled(CONNECTIONS) as usize);
    let files = machine::raise_open_files();
    if wanted as u64 + OTHER_FILES > files {
        bail!("{wanted} connections need more open files than the {files} of `ulimit -Hn`: use --connections");
    }
    // Thousands of passwords are hashed on every core; that is not what is measured.
    bench.stop()?;
    bench.running = Some(bench.server.start_anywhere(bench.cores)?);
    bench.need_accounts(wanted).await?;
    let mut rounds = Vec::new();
    for _ in 0..bench.rounds() {
        rounds.push(round(bench, wanted).await?);
    }
    bench.restart()?;
    Ok(section(Workload::W3, format!("{wanted} idle connections, each of an account of its own"), rounds))
}

async fn round(bench: &mut Bench<'_>, wanted: usize) -> Result<Vec<Value>> {
    let address = bench.restart()?.address;
    for account in &mut bench.accounts[..wanted] {
        account.token(address).await?;
    }
    sleep(REST).await;
    let before = bench.running()?.resident_bytes()?;
    let start = Instant::now();
    let mut sockets = Vec::with_capacity(wanted);
    for account in &mut bench.accounts[..wanted] {
        let (mut socket, _) = account.connect(address).await?;
        drained(&mut socket).await?;
        socket.shrink();
        sockets.push(socket);
    }
    let seconds = start.elapsed().as_secs_f64();
    sleep(REST).await;
    let after = bench.running()?.resident_bytes()?;
    let last = sockets.pop().context("no connection")?;
    drop(sockets);
    last.close().await?;
    Ok(vec![
        value("memory a connection", "KB", float(after.saturating_sub(before)) / 1e3 / float(wanted as u64)),
        value("memory before", "MB", float(before) / 1e6),
        value("memory with all", "MB", float(after) / 1e6),
        value("connecting, one after another", "1/s", float(wanted as u64) / seconds),
    ])
}

async fn drained(socket: &mut Socket) -> Result<()> {
    while !Incoming::parse(&socket.wait().await?)?.drained {}
    Ok(())
}
