//! `homeserver`: serves the accounts of one organisation.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use homeserver::{
    cli::Cli,
    clock::Clock,
    config::{self, Config},
    server::{Server, Telemetry},
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.print_config_template {
        print!("{}", config::template());
        return ExitCode::SUCCESS;
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("homeserver: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Result<()> {
    let config = Config::load(cli.flags)?;
    Telemetry::start(&config)?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let server = Server::start(config, Clock::default()).await?;
    tracing::info!(
        server_name = %server.app.server_name,
        address = %server.address,
        database = %server.app.config.database_url,
        "serving"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}
