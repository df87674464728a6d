//! `migrate`: what the database has, and what it lacks.

use homeserver::{
    config::Config,
    store::{MigrationState, Store},
};
use serde::Serialize;

use crate::{
    database,
    failure::Failure,
    output::{Output, count, table},
};

/// A migration.
#[derive(Debug, Serialize)]
struct Migration {
    version: i64,
    name: String,
    applied: bool,
}

/// What `migrate status` tells.
#[derive(Debug, Serialize)]
struct Status {
    database: String,
    pending: usize,
    migrations: Vec<Migration>,
}

/// What `migrate run` did.
#[derive(Debug, Serialize)]
struct Ran {
    database: String,
    applied: Vec<Migration>,
}

/// Shows which migrations the database has.
pub(super) async fn status(config: &Config, output: Output) -> Result<(), Failure> {
    let store = database::connect(config).await?;
    let states = store.migrations().await;
    store.close().await;
    let migrations: Vec<Migration> = states?.into_iter().map(Migration::from).collect();
    let pending = migrations.iter().filter(|migration| !migration.applied).count();
    output.print(&Status { database: config.database_url.to_string(), pending, migrations }, describe)
}

/// Applies what is pending, to a database that may be new.
pub(super) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let store = Store::connect(&config.database_url).await?;
    let applied = apply(&store, output).await;
    store.close().await;
    let ran = Ran { database: config.database_url.to_string(), applied: applied? };
    output.print(&ran, |ran| match ran.applied.len() {
        0 => format!("{} has every migration already.", ran.database),
        applied => format!("{} applied to {}.", count(applied as u64, "migration"), ran.database),
    })
}

async fn apply(store: &Store, output: Output) -> Result<Vec<Migration>, Failure> {
    let before = pending(store).await?;
    for migration in &before {
        output.progress(&format!("pending: {:04} {}", migration.version, migration.description))?;
    }
    let migrated = store.migrate().await;
    let left = pending(store).await?;
    let applied: Vec<_> = before.into_iter().filter(|one| !left.contains(one)).collect();
    for migration in &applied {
        output.progress(&format!("applied: {:04} {}", migration.version, migration.description))?;
    }
    migrated?;
    Ok(applied.into_iter().map(|one| Migration { applied: true, ..one.into() }).collect())
}

async fn pending(store: &Store) -> Result<Vec<MigrationState>, Failure> {
    Ok(store.migrations().await?.into_iter().filter(|migration| !migration.applied).collect())
}

fn describe(status: &Status) -> String {
    let rows = status.migrations.iter().map(|migration| {
        let state = if migration.applied { "applied" } else { "pending" };
        [format!("{:04}", migration.version), migration.name.clone(), state.to_owned()]
    });
    let what = match status.pending {
        0 => "is up to date".to_owned(),
        pending => {
            format!("lacks {}: `missivectl migrate run` applies what is pending", count(pending as u64, "migration"))
        }
    };
    format!("{}\n\n{} {what}.", table(["VERSION", "NAME", "STATE"], rows), status.database)
}

impl From<MigrationState> for Migration {
    fn from(state: MigrationState) -> Self {
        Self { version: state.version, name: state.description, applied: state.applied }
    }
}
