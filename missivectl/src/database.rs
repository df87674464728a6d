//! Opening the homeserver's database as an admin: never made, never migrated, and never given keys before a homeserver
//! has run on it.

use std::sync::Arc;

use homeserver::{
    app::App,
    clock::Clock,
    config::{Config, DatabaseUrl, Flags},
    store::Store,
};

use crate::failure::{Failure, Kind};

/// The configuration, with migrations off whatever it says.
pub(crate) fn configuration(flags: Flags) -> Result<Config, Failure> {
    let mut config = Config::load(flags)?;
    config.database.auto_migrate = false;
    Ok(config)
}

/// Connects to a database that is there.
pub(crate) async fn connect(config: &Config) -> Result<Store, Failure> {
    check_exists(config)?;
    Ok(Store::connect(&config.database_url).await?)
}

/// Opens the state of a homeserver that has run on this database before.
pub(crate) async fn open(config: Config) -> Result<Arc<App>, Failure> {
    check(&config).await?;
    Ok(App::open(config, Clock::default()).await?)
}

/// Checks that the database is there, has every migration, and that a homeserver has run on it.
pub(crate) async fn check(config: &Config) -> Result<(), Failure> {
    let store = connect(config).await?;
    let checked = check_used(&store).await;
    store.close().await;
    checked
}

/// Ends what [`open`] began.
pub(crate) async fn close(app: &App) {
    app.shutdown.cancel();
    app.store.close().await;
}

/// Connecting would make the file.
fn check_exists(config: &Config) -> Result<(), Failure> {
    let DatabaseUrl::Sqlite(path) = &config.database_url else { return Ok(()) };
    if path.is_file() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::DatabaseUnavailable,
        format!(
            "there is no database {}: name the homeserver's with --data-dir, --database-url or --config \
             (or their MISSIVE_… variables), or start the homeserver, which makes it",
            path.display()
        ),
    ))
}

/// Opening the state would make a name and keys where no homeserver has.
async fn check_used(store: &Store) -> Result<(), Failure> {
    let pending = store.migrations().await?.iter().filter(|migration| !migration.applied).count();
    if pending > 0 {
        return Err(homeserver::store::OpenError::Pending(pending).into());
    }
    if store.recall("server_name").await?.is_none() || store.signing_keys("token").await?.is_empty() {
        let text = "no homeserver has run on this database yet: start the homeserver once first, which makes its keys";
        return Err(Failure::new(Kind::NotInitialised, text));
    }
    Ok(())
}
