//! W4: from the start of the process to its first answer, and its memory when nothing happens.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Bench, section};
use crate::{
    cli::Workload,
    figures::{float, value},
    report::Section,
};

/// How long the server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Section> {
    let first = value("first start, on an empty database", "ms", bench.first_start.as_secs_f64() * 1e3);
    let mut rounds = vec![vec![first]];
    for _ in 0..bench.rounds() {
        let took = bench.restart()?.first_answer;
        sleep(REST).await;
        let memory = float(bench.running()?.resident_bytes()?) / 1e6;
        rounds.push(vec![
            value("start to first answer", "ms", took.as_secs_f64() * 1e3),
            value("idle memory", "MB", memory),
        ]);
    }
    Ok(section(Workload::W4, "start to the first answer of /health/live, and idle memory", rounds))
}
