//! Logs and metrics of the process.

use std::{io::IsTerminal as _, net::SocketAddr};

use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Proof that logs and metrics are set up.
#[derive(Debug)]
pub struct Telemetry;

/// Why they could not be.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` cannot be read.
    #[error("log.level = \"{0}\" is not a filter: use a level like \"info\", or \"info,homeserver=debug\"")]
    Level(String),
    /// `metrics_listen` cannot be used.
    #[error("metrics cannot be served on {0}: {1}; choose another metrics_listen")]
    Metrics(SocketAddr, String),
    /// Something set them up before.
    #[error("logs are set up already: {0}")]
    Twice(String),
}

impl Telemetry {
    /// Sets up logs, on standard error, and metrics, where an address is configured. Once a process.
    pub fn start(config: &Config) -> Result<Self, TelemetryError> {
        let level = &config.log.level;
        let filter = EnvFilter::try_new(level).map_err(|_| TelemetryError::Level(level.clone()))?;
        let colours = std::io::stderr().is_terminal();
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
        let started = match config.log.format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        };
        started.map_err(|error| TelemetryError::Twice(error.to_string()))?;
        if let Some(address) = config.metrics_listen {
            let failed =
                |error: metrics_exporter_prometheus::BuildError| TelemetryError::Metrics(address, error.to_string());
            PrometheusBuilder::new().with_http_listener(address).install().map_err(failed)?;
        }
        Ok(Self)
    }
}
