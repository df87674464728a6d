//! Figures: measured several times, told as the median and the range.

use serde::Serialize;

/// What was measured once.
#[derive(Debug, Clone)]
pub struct Value {
    /// What it is.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    /// How much.
    pub amount: f64,
}

/// The same, measured several times.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    /// The middle of the values.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Every value, in the order of measuring.
    pub values: Vec<f64>,
}

/// Names a value.
pub fn value(name: impl Into<String>, unit: &'static str, amount: f64) -> Value {
    Value { name: name.into(), unit, amount }
}

/// Brings the values of several rounds together, by their names.
pub fn merge(rounds: Vec<Vec<Value>>) -> Vec<Figure> {
    let mut figures = Vec::<Figure>::new();
    for Value { name, unit, amount } in rounds.into_iter().flatten() {
        match figures.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.values.push(amount),
            None => figures.push(Figure { name, unit, median: 0.0, low: 0.0, high: 0.0, values: vec![amount] }),
        }
    }
    for figure in &mut figures {
        let mut sorted = figure.values.clone();
        sorted.sort_by(f64::total_cmp);
        (figure.low, figure.high) = (sorted[0], sorted[sorted.len() - 1]);
        figure.median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    }
    figures
}

/// The 50th, 95th and 99th percentile of times in nanoseconds, in milliseconds. Each is a time that was measured.
pub fn percentiles(name: &str, mut nanos: Vec<u64>) -> Vec<Value> {
    nanos.sort_unstable();
    let at = |percent: usize| {
        let rank = (nanos.len() * percent).div_ceil(100).max(1);
        nanos.get(rank - 1).copied()
    };
    let values = [50, 95, 99].into_iter().filter_map(|percent| Some((percent, at(percent)?)));
    values.map(|(percent, nanos)| value(format!("{name} p{percent}"), "ms", float(nanos) / 1e6)).collect()
}

/// A count as a number to calculate with.
#[allow(clippy::cast_precision_loss)] // far below 2^53
pub fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_told_as_median_and_range() {
        let rounds = [3.0, 1.0, 7.0].map(|rate| vec![value("rate", "msg/s", rate)]);
        let figures = merge(rounds.to_vec());
        assert_eq!((figures[0].low, figures[0].median, figures[0].high), (1.0, 3.0, 7.0));
        assert_eq!(merge(rounds[..2].to_vec())[0].median.to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn percentiles_are_measured_times() {
        let values = percentiles("time", (1..=100).rev().map(|n| n * 1_000_000).collect());
        let values = values.iter().map(|value| (value.name.as_str(), value.amount)).collect::<Vec<_>>();
        assert_eq!(values, [("time p50", 50.0), ("time p95", 95.0), ("time p99", 99.0)]);
        assert!(percentiles("nothing", Vec::new()).is_empty());
    }
}
