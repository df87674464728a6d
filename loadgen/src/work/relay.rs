//! W1: online relay, every message acknowledged by its receiver and its sender told so.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::Bench;
use crate::{
    check::Told,
    cli::Workload,
    drive::{self, Meter, Pair, Plan, Side, Traffic},
    figures::{Value, float, merge, percentiles, value},
    process, relay,
    report::Section,
    server::{self, Running},
};

/// How long messages may be under way when sending has stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages a second at the fixed rate, over all pairs.
const RATE: u32 = 200;

/// A way to send.
struct Way {
    name: &'static str,
    plan: Plan,
    /// One pair alone.
    alone: bool,
}

/// What is measured.
pub(super) struct Measured<'a> {
    pairs: &'a [Pair],
    acknowledge_each: bool,
    seconds: f64,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Section> {
    let (mut rounds, mut ceilings) = (Vec::new(), Vec::new());
    let mut number = 0;
    for _ in 0..bench.rounds() {
        let pairs = bench.pairs().await?;
        number = pairs.len();
        let measured = measured(bench, &pairs);
        rounds.push(round(&measured, || bench.processor_time()).await?);
        ceilings.push(ceiling(bench, number).await?);
    }
    let title = format!("online relay, {number} pairs, 256 bytes, each message acknowledged; beside a bare relay");
    Ok(Section { workload: Workload::W1, title, figures: merge(rounds), ceiling: merge(ceilings) })
}

/// What is measured with these pairs.
pub(super) fn measured<'a>(bench: &Bench<'_>, pairs: &'a [Pair]) -> Measured<'a> {
    let (acknowledge_each, seconds) = (bench.options.acknowledge_each, bench.options.seconds);
    Measured { pairs, acknowledge_each, seconds }
}

/// The same with so many pairs through the bare relay.
pub(super) async fn ceiling(bench: &Bench<'_>, pairs: usize) -> Result<Vec<Value>> {
    let relay: Running = server::start_relay(bench.cores)?;
    let server = relay.address;
    let side = |pair, sends| {
        let token = relay::token(pair, sends);
        Side { server, name: token.clone(), token, address: String::new() }
    };
    let pairs = (0..)
        .take(pairs)
        .map(|pair| Pair { sender: side(pair, true), receiver: side(pair, false) })
        .collect::<Vec<_>>();
    let measured = measured(bench, &pairs);
    round(&measured, || Ok((process::processor_time(relay.pid())?, None))).await
}

/// Measures every way to send once; `used` tells the processor time of the server, and of its database.
pub(super) async fn round(
    measured: &Measured<'_>,
    used: impl Fn() -> Result<(Duration, Option<Duration>)>,
) -> Result<Vec<Value>> {
    let plan = Plan { window: 32, pace: None, owed: Told::Received, count: None };
    let pace = Duration::from_secs(1) * u32::try_from(measured.pairs.len())? / RATE;
    let ways = [
        Way { name: "window 32", plan, alone: false },
        Way { name: "window 1", plan: Plan { window: 1, ..plan }, alone: false },
        Way { name: "one in flight", plan: Plan { window: 1, ..plan }, alone: true },
        Way { name: "200 msg/s", plan: Plan { pace: Some(pace), ..plan }, alone: false },
    ];
    let mut values = Vec::new();
    for way in ways {
        values.extend(one_way(measured, &way, &used).await?);
    }
    Ok(values)
}

async fn one_way(
    measured: &Measured<'_>,
    way: &Way,
    used: &impl Fn() -> Result<(Duration, Option<Duration>)>,
) -> Result<Vec<Value>> {
    let pairs = if way.alone { &measured.pairs[..1] } else { measured.pairs };
    let traffic = Traffic::new(pairs.to_vec());
    let receivers = traffic.receivers(measured.acknowledge_each, 0).await?;
    let senders = traffic.senders().await?;
    let time = Duration::from_secs_f64(measured.seconds);
    let work = async {
        let (sent, interval) = tokio::join!(drive::send(senders, way.plan), interval(&traffic.meter, time, used));
        sent?;
        interval
    };
    let work = drive::while_receiving(receivers, work);
    let interval = traffic.within(2 * time + PATIENCE, Told::Received, work).await?;
    traffic.check(Told::Received)?;
    let mut values = interval.values(way.name);
    values.extend(percentiles(&format!("{}: to the receiver", way.name), traffic.meter.arrival_times.take()));
    values.extend(percentiles(&format!("{}: to `received`", way.name), traffic.meter.settling_times.take()));
    if traffic.stored() + traffic.repeated() > 0 {
        values.push(value(format!("{}: stored", way.name), "msg", float(traffic.stored())));
        values.push(value(format!("{}: statuses told again", way.name), "", float(traffic.repeated())));
    }
    Ok(values)
}

/// What was done, and used, in the measured time.
struct Interval {
    seconds: f64,
    messages: f64,
    server: Duration,
    database: Option<Duration>,
    own: Duration,
}

/// Lets traffic warm up, measures it, and tells it to stop.
async fn interval(
    meter: &Meter,
    time: Duration,
    used: &impl Fn() -> Result<(Duration, Option<Duration>)>,
) -> Result<Interval> {
    sleep((time / 5).min(Duration::from_secs(1))).await;
    let own = || process::processor_time(std::process::id());
    let (start, before, used_before, own_before) = (Instant::now(), meter.settled.get(), used()?, own()?);
    meter.measuring.set(true);
    sleep(time).await;
    meter.measuring.set(false);
    let (seconds, after, used_after) = (start.elapsed().as_secs_f64(), meter.settled.get(), used()?);
    meter.stopping.set(true);
    Ok(Interval {
        seconds,
        messages: float(after - before),
        server: used_after.0.saturating_sub(used_before.0),
        database: used_after.1.zip(used_before.1).map(|(after, before)| after.saturating_sub(before)),
        own: own()?.saturating_sub(own_before),
    })
}

impl Interval {
    fn values(&self, way: &str) -> Vec<Value> {
        let a_message =
            |time: Duration| if self.messages > 0.0 { time.as_secs_f64() * 1e6 / self.messages } else { 0.0 };
        let mut values = vec![
            value(format!("{way}: rate"), "msg/s", self.messages / self.seconds),
            value(format!("{way}: CPU a message"), "µs", a_message(self.server)),
            value(format!("{way}: load generator busy"), "%", self.own.as_secs_f64() * 100.0 / self.seconds),
        ];
        if let Some(database) = self.database {
            values.push(value(format!("{way}: PostgreSQL's CPU a message"), "µs", a_message(database)));
        }
        values
    }
}
