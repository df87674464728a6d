//! The server's life: lock, listen, serve, stop.

mod connections;
mod listen;
mod lock;
mod telemetry;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    app::{App, StartError},
    clock::Clock,
    config::Config,
    error::StoreError,
    jobs,
    service::{delivery, outbox},
};

pub use listen::ListenError;
pub use lock::{Lock, LockError};
pub use telemetry::{Telemetry, TelemetryError};

/// How long a stopping server waits for its connections and tasks.
const FAREWELL: Duration = Duration::from_secs(20);

/// A homeserver that serves.
pub struct Server {
    /// Its state.
    pub app: Arc<App>,
    /// Where it listens; the port is the real one where the configuration said 0.
    pub address: SocketAddr,
    listener: listen::Listener,
    _lock: Lock,
}

/// Why a server could not start; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another server holds the data.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state could not be built.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database failed after it was opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Server {
    /// Locks the data, opens the database and begins to serve.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, ServeError> {
        let lock = Lock::take(&config)?;
        let app = App::open(config, clock).await?;
        if !app.config.limits.enabled {
            tracing::warn!("limits.enabled = false: anyone may ask anything as often as they like");
        }
        jobs::start(&app).await?;
        let listener = listen::Listener::start(&app).await?;
        Ok(Self { address: listener.address, app, listener, _lock: lock })
    }

    /// Stops: takes no new connection, hands over what waits in memory, tells every client 1001, and closes the database.
    pub async fn stop(self) {
        self.app.shutdown.cancel();
        delivery::shut_down(&self.app);
        outbox::shut_down(&self.app);
        self.listener.stop(FAREWELL).await;
        self.app.tasks.close();
        if tokio::time::timeout(FAREWELL, self.app.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        outbox::leave(&self.app).await;
        self.app.store.close().await;
    }
}
