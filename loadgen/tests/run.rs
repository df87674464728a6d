//! The load generator against a real homeserver, with small numbers: every figure is there and nothing is lost.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The homeserver that was built beside the load generator.
fn homeserver() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name("homeserver");
    assert!(path.is_file(), "{} is not built: run `cargo build -p homeserver` first", path.display());
    path
}

/// A short run without any core of its own; the tests may have only one.
fn loadgen(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["run", "--unpinned", "--server"]).arg(homeserver()).args(arguments.split_ascii_whitespace());
    command.env_remove("LOADGEN_POSTGRES_URL");
    if let Ok(url) = std::env::var("MISSIVE_TEST_POSTGRES_URL") {
        command.env("LOADGEN_POSTGRES_URL", url);
    }
    command.output().unwrap()
}

fn figures(database: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let words = "--repeat 1 --seconds 0.3 --scale 0.04 --connections 6 --backlog 50";
    let output = loadgen(&format!("--database {database} {words} --json {}", json.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tables = String::from_utf8(output.stdout).unwrap();
    assert!(tables.contains("| window 32: rate"), "{tables}");
    serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap()
}

/// The median of a figure, which must be a positive number.
fn positive(report: &Value, workload: &str, list: &str, name: &str) -> f64 {
    let workloads = report["workloads"].as_array().unwrap();
    let section = workloads.iter().find(|section| section["workload"] == workload).unwrap();
    let figure = section[list].as_array().unwrap().iter().find(|figure| figure["name"] == name);
    let median = figure.unwrap_or_else(|| panic!("no {name} in {section:#}"))["median"].as_f64().unwrap();
    assert!(median > 0.0, "{name} is {median}");
    median
}

fn relayed(report: &Value, workload: &str) {
    for way in ["window 32", "window 1", "one in flight", "200 msg/s"] {
        for list in ["figures", "ceiling"] {
            positive(report, workload, list, &format!("{way}: rate"));
            for percentile in ["p50", "p95", "p99"] {
                let there = positive(report, workload, list, &format!("{way}: to the receiver {percentile}"));
                let back = positive(report, workload, list, &format!("{way}: to `received` {percentile}"));
                assert!(there <= back, "{workload}, {way} {percentile}: {there} ms there, {back} ms back");
            }
        }
    }
}

fn check(database: &str) {
    let report = figures(database);
    relayed(&report, "w1");
    relayed(&report, "w5");
    for phase in ["store", "drain", "50 pending, store", "50 pending, drain"] {
        positive(&report, "w2", "figures", &format!("{phase}: rate"));
        positive(&report, "w2", "figures", &format!("{phase}: rate of the last tenth"));
    }
    positive(&report, "w2", "figures", "drain: rate to `received`");
    positive(&report, "w3", "figures", "memory with all");
    positive(&report, "w4", "figures", "start to first answer");
    positive(&report, "w4", "figures", "idle memory");
    for name in ["log-ins", "bare hash", "key claims"] {
        positive(&report, "w6", "figures", name);
    }
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("pinned"), "{warnings}");
}

#[test]
fn every_figure_is_there_on_sqlite() {
    check("sqlite");
}

#[test]
fn every_figure_is_there_on_postgres() {
    if std::env::var_os("MISSIVE_TEST_POSTGRES_URL").is_none() {
        assert!(std::env::var_os("CI").is_none(), "MISSIVE_TEST_POSTGRES_URL is not set: use `cargo xtask test`");
        eprintln!("PostgreSQL is left out: MISSIVE_TEST_POSTGRES_URL is not set (`cargo xtask test` sets it)");
        return;
    }
    check("postgres");
}

#[test]
fn what_is_missing_is_said() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "--unpinned", "--server", "/nonexistent/homeserver"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("/nonexistent/homeserver is not there: build it"), "{text}");
}
