//! W2: messages for receivers who are not there, each told `sent`; then the receivers come and acknowledge them all.

use std::{
    cell::RefCell,
    convert::Infallible,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::{Bench, section};
use crate::{
    check::Told,
    cli::Workload,
    drive::{self, Meter, Plan, Sample, Sender, Traffic},
    figures::{Value, float, value},
    process,
    report::Section,
};

/// Messages in all, before the scale.
const MESSAGES: u32 = 100_000;

/// How many messages a client may have under way.
const WINDOW: u32 = 64;

/// How often progress is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// No system is slower than this, in messages a second, whatever it does …
const SLOWEST: u64 = 100;
/// … nor starts later.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Section> {
    let messages = bench.options.scaled(MESSAGES);
    let mut rounds = Vec::new();
    for _ in 0..bench.rounds() {
        rounds.push(round(bench, messages, "").await?);
    }
    for backlog in &bench.options.backlog {
        rounds.push(round(bench, *backlog, &format!("{backlog} pending, ")).await?);
    }
    let title = format!("{messages} messages of 256 bytes stored for absent receivers, then drained");
    Ok(section(Workload::W2, title, rounds))
}

async fn round(bench: &mut Bench<'_>, messages: u32, name: &str) -> Result<Vec<Value>> {
    let pairs = bench.pairs().await?;
    let each = messages.div_ceil(u32::try_from(pairs.len())?);
    let messages = u64::from(each) * pairs.len() as u64;
    let mut traffic = Traffic::new(pairs);
    process::forget_peak(bench.running()?.pid());
    let longest = PATIENCE + Duration::from_secs(messages / SLOWEST);
    let plan = Plan { window: WINDOW, pace: None, owed: Told::Sent, count: Some(each) };
    let senders = traffic.senders().await?;
    let storing = watched(bench, &traffic.meter, |meter| meter.settled.get(), drive::send(senders, plan));
    let (senders, stored) = traffic.within(longest, Told::Sent, storing).await?;
    traffic.check(Told::Sent)?;
    traffic.renew(bench.pairs().await?);
    let drained = traffic.within(longest, Told::Received, drain(bench, &traffic, senders, plan)).await?;
    traffic.check(Told::Received)?;
    traffic.renew(bench.pairs().await?);
    nothing_waits(&traffic).await?;
    let mut values = stored.values(&format!("{name}store"));
    values.extend(drained.values(&format!("{name}drain")));
    let peak = process::peak_bytes(bench.running()?.pid())?;
    values.push(value(format!("{name}the server's peak memory"), "MiB", float(peak) / 1_048_576.0));
    Ok(values)
}

/// The receivers come, all at once, while the senders are there to be told.
async fn drain(bench: &Bench<'_>, traffic: &Traffic, senders: Vec<Sender>, plan: Plan) -> Result<Progress> {
    let start = Instant::now();
    let waiting = u64::from(plan.count.unwrap_or_default());
    let work = async {
        let receivers = traffic.receivers(bench.options.acknowledge_each, waiting).await?;
        let plan = Plan { owed: Told::Received, ..plan };
        drive::while_receiving(receivers, async {
            let senders = drive::send(senders, plan).await?;
            Ok((senders, start.elapsed()))
        })
        .await
    };
    let ((senders, settled), mut progress) = watched(bench, &traffic.meter, |meter| meter.arrived.get(), work).await?;
    drop(senders);
    progress.settled = Some(settled);
    Ok(progress)
}

/// Every receiver is told that nothing waits, and is sent nothing more.
async fn nothing_waits(traffic: &Traffic) -> Result<()> {
    let receivers = traffic.receivers(false, 0).await?;
    drive::while_receiving(receivers, async { Ok(()) }).await?;
    traffic.check(Told::Received)
}

/// How work went on.
struct Progress {
    /// At the start, now and then, at the end.
    samples: Vec<Sample>,
    /// PostgreSQL's part of the processor time.
    database: Option<Duration>,
    /// When every sender had been told.
    settled: Option<Duration>,
}

/// Does work and watches how it goes on.
async fn watched<T>(
    bench: &Bench<'_>,
    meter: &Meter,
    done: impl Fn(&Meter) -> u64,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Progress)> {
    let start = Instant::now();
    let samples = RefCell::new(Vec::new());
    let (_, database_before) = bench.processor_time()?;
    let glance = || {
        let (server, database) = bench.processor_time()?;
        let processor = server + database.unwrap_or_default();
        samples.borrow_mut().push(Sample { at: start.elapsed(), done: done(meter), processor });
        Ok::<_, anyhow::Error>(())
    };
    glance()?;
    let watching = async {
        loop {
            sleep(GLANCE).await;
            glance()?;
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome?,
        ended = watching => match ended {
            Ok::<Infallible, anyhow::Error>(never) => match never {},
            Err(error) => bail!(error),
        },
    };
    glance()?;
    let (_, database_after) = bench.processor_time()?;
    let database = database_after.zip(database_before).map(|(after, before)| after.saturating_sub(before));
    Ok((outcome, Progress { samples: samples.into_inner(), database, settled: None }))
}

impl Progress {
    fn values(&self, name: &str) -> Vec<Value> {
        let (all, first, last) = (self.part(0.0, 1.0), self.part(0.0, 0.1), self.part(0.9, 1.0));
        let mut values = vec![
            value(format!("{name}: rate"), "msg/s", all.rate),
            value(format!("{name}: rate of the first tenth"), "msg/s", first.rate),
            value(format!("{name}: rate of the last tenth"), "msg/s", last.rate),
            value(format!("{name}: CPU a message"), "µs", all.processor),
            value(format!("{name}: CPU a message, first tenth"), "µs", first.processor),
            value(format!("{name}: CPU a message, last tenth"), "µs", last.processor),
        ];
        let messages = self.samples.last().map_or(0, |last| last.done) - self.samples.first().map_or(0, |one| one.done);
        if let Some(database) = self.database {
            let a_message = database.as_secs_f64() * 1e6 / float(messages);
            values.push(value(format!("{name}: PostgreSQL's part of it"), "µs", a_message));
        }
        if let Some(settled) = self.settled {
            values.push(value(format!("{name}: rate to `received`"), "msg/s", float(messages) / settled.as_secs_f64()));
        }
        values
    }

    /// What a part of the messages took, from one share of all to another.
    fn part(&self, from: f64, to: f64) -> Part {
        let ((start, used_before), (end, used_after)) = (self.at(from), self.at(to));
        let done = |share: f64| share * float(self.samples.last().map_or(0, |s| s.done) - self.samples[0].done);
        let messages = done(to) - done(from);
        Part {
            rate: messages / (end - start).max(1e-9),
            processor: (used_after - used_before) * 1e6 / messages.max(1.0),
        }
    }

    /// The time, and the processor time, by which a share of all was done; between two glances, in proportion.
    fn at(&self, share: f64) -> (f64, f64) {
        let first = self.samples[0].done;
        let total = float(self.samples.last().map_or(0, |s| s.done) - first);
        let reached = |sample: &Sample| float(sample.done - first) >= share * total;
        let place = self.samples.iter().position(reached).unwrap_or(self.samples.len() - 1);
        let (after, before) = (self.samples[place], self.samples[place.saturating_sub(1)]);
        let span = float(after.done - before.done);
        let part = if span > 0.0 { (share * total - float(before.done - first)) / span } else { 1.0 };
        let between = |before: Duration, after: Duration| {
            before.as_secs_f64() + part * (after.as_secs_f64() - before.as_secs_f64())
        };
        (between(before.at, after.at), between(before.processor, after.processor))
    }
}

/// A part of the messages.
struct Part {
    /// Messages a second.
    rate: f64,
    /// Microseconds of processor time a message.
    processor: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_between_the_glances() {
        let sample = |millis, done| Sample {
            at: Duration::from_millis(millis),
            done,
            processor: Duration::from_millis(millis / 2),
        };
        // The first half in one second, the second in three.
        let samples = vec![sample(0, 100), sample(1_000, 600), sample(4_000, 1_100)];
        let progress = Progress { samples, database: None, settled: None };
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-6, "{one} is not {other}");
        close(progress.part(0.0, 1.0).rate, 250.0);
        close(progress.part(0.0, 0.1).rate, 500.0);
        close(progress.part(0.9, 1.0).rate, 500.0 / 3.0);
        close(progress.part(0.0, 0.1).processor, 1_000.0);
        close(progress.part(0.9, 1.0).processor, 3_000.0);
    }
}
