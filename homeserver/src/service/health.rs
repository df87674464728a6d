//! Whether the server can serve.

use std::{path::Path, time::Duration};

use serde::Serialize;

use crate::{app::App, config::DatabaseUrl};

/// A disk with less room than this is not ready: the next write may fail.
const ROOM_BYTES: u64 = 64 * 1024 * 1024;

/// Each part's state: `ok`, or what is wrong.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    /// Whether every part is `ok`.
    pub ready: bool,
    /// The database answers.
    pub database: String,
    /// Its tables are up to date.
    pub migrations: String,
    /// The data directory's disk has room.
    pub disk: String,
    /// Revocations are heard.
    pub followers: String,
}

/// Looks at each part.
pub async fn readiness(app: &App) -> Readiness {
    let database = database(app).await;
    let migrations = if database == "ok" { migrations(app).await } else { "unknown".into() };
    let disk = disk(app);
    let following = !app.shutdown.is_cancelled() && app.revocations.is_following();
    let followers = if following { "ok" } else { "control events are not being heard" }.to_owned();
    let ready = [&database, &migrations, &disk, &followers].into_iter().all(|part| part == "ok");
    Readiness { ready, database, migrations, disk, followers }
}

async fn database(app: &App) -> String {
    match tokio::time::timeout(Duration::from_secs(3), app.store.ping()).await {
        Ok(Ok(())) => "ok".into(),
        Ok(Err(_)) => "the database does not answer".into(),
        Err(_) => "the database does not answer within 3 s".into(),
    }
}

async fn migrations(app: &App) -> String {
    match app.store.migrations().await {
        Ok(all) => match all.iter().filter(|migration| !migration.applied).count() {
            0 => "ok".into(),
            pending => format!("{pending} pending: run `missivectl migrate run`"),
        },
        Err(_) => "unknown".into(),
    }
}

fn disk(app: &App) -> String {
    let directory = match &app.config.database_url {
        // A bare file name lies in the working directory.
        DatabaseUrl::Sqlite(path) => path.parent().filter(|parent| *parent != "").unwrap_or(Path::new(".")),
        DatabaseUrl::Postgres(_) => &app.config.data_dir,
    };
    match rustix::fs::statvfs(directory) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES => "almost full".into(),
        Ok(_) => "ok".into(),
        Err(error) => format!("cannot be read: {error}"),
    }
}
