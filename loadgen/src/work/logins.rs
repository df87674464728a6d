//! W6: log-ins, beside what the bare hash allows, and key claims.

use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Bench, keys, section};
use crate::{
    account::PASSWORD,
    cli::Workload,
    figures::{Value, float, value},
    http::Http,
    report::Section,
};

/// OWASP's parameters, which are the server's: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Who log in at the same time.
const CONNECTIONS: usize = 8;

/// Accounts to log in to, so that none has many sessions.
const ACCOUNTS: u32 = 100;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Section> {
    let accounts = bench.options.scaled(ACCOUNTS) as usize;
    bench.need_accounts(accounts).await?;
    let mut owners = keys::Owners::new(bench).await?;
    let mut rounds = Vec::new();
    for _ in 0..bench.rounds() {
        let mut values = log_ins(bench, accounts).await?;
        values.extend(owners.claims(bench).await?);
        rounds.push(values);
    }
    Ok(section(Workload::W6, "log-ins, beside the bare argon2id hash of the same parameters, and key claims", rounds))
}

async fn log_ins(bench: &Bench<'_>, accounts: usize) -> Result<Vec<Value>> {
    let time = Duration::from_secs_f64(bench.options.seconds);
    let bare = bench.cores.on_server_core(move || bare_hashes(time))??;
    let names = bench.accounts[..accounts].iter().map(|account| account.name.clone()).collect::<Rc<[_]>>();
    let next = Rc::new(Cell::new(0));
    let (start, (used_before, _)) = (Instant::now(), bench.processor_time()?);
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn_local(log_in_until(bench.address()?, names.clone(), next.clone(), start + time));
    }
    let mut done = 0;
    while let Some(one) = tasks.join_next().await {
        done += one??;
    }
    let (seconds, (used, _)) = (start.elapsed().as_secs_f64(), bench.processor_time()?);
    let (rate, used) = (float(done) / seconds, used.saturating_sub(used_before));
    Ok(vec![
        value("log-ins", "1/s", rate),
        value("bare hash", "1/s", bare),
        value("log-ins of what the bare hash allows", "%", 100.0 * rate / bare),
        value("CPU a log-in", "ms", used.as_secs_f64() * 1e3 / float(done)),
    ])
}

async fn log_in_until(server: SocketAddr, names: Rc<[String]>, next: Rc<Cell<usize>>, end: Instant) -> Result<u64> {
    let mut http = Http::connect(server).await?;
    let mut done = 0;
    while Instant::now() < end {
        let name = &names[next.replace(next.get() + 1) % names.len()];
        let body = json!({"name": name, "password": PASSWORD}).to_string();
        let answer = http.request("POST", "/api/v1/tokens", "", &body).await?;
        answer.data()?["accessToken"].as_str().context("no access token")?;
        done += 1;
    }
    Ok(done)
}

/// Hashes a second.
fn bare_hashes(time: Duration) -> Result<f64> {
    let failed = |error| anyhow!("argon2: {error}");
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut hash, mut count, start) = ([0; 32], 0, Instant::now());
    while start.elapsed() < time {
        argon2.hash_password_into(PASSWORD.as_bytes(), b"sixteen bytes of", &mut hash).map_err(failed)?;
        count += 1;
    }
    Ok(float(count) / start.elapsed().as_secs_f64())
}
