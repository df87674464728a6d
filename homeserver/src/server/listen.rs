//! The listener: plain HTTP, or HTTPS where a certificate is configured.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::routing::get;
use axum_server::{Handle, tls_rustls::RustlsConfig};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{sync::Semaphore, task::JoinHandle};

use super::connections::Bounded;
use crate::{app::App, federation, http, ws};

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(15);

/// The largest head of a request, and what of a body is read at a time. Signatures and tokens take a tenth of it.
const HEAD_MAX_BYTES: usize = 64 * 1024;
const HEAD_MAX_BYTES_HTTP2: u32 = 64 * 1024;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {0}: {1}; choose another address with --listen, or stop whatever uses it")]
    Bind(SocketAddr, std::io::Error),
    /// The certificate or its key cannot be used.
    #[error("the certificate {cert} with the key {key} cannot be used: {source}; both are PEM files", cert = .cert.display(), key = .key.display())]
    Tls {
        /// `tls.cert_file`.
        cert: PathBuf,
        /// `tls.key_file`.
        key: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
}

/// A listener that serves.
pub(super) struct Listener {
    /// Where it listens.
    pub(super) address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Listener {
    pub(super) async fn start(app: &Arc<App>) -> Result<Self, ListenError> {
        let wanted = app.config.listen;
        let bind = |error| ListenError::Bind(wanted, error);
        let socket = TcpListener::bind(wanted).map_err(bind)?;
        socket.set_nonblocking(true).map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        let handle = Handle::new();
        let places =
            if app.config.limits.enabled { app.config.limits.connections as usize } else { Semaphore::MAX_PERMITS };
        let places = Arc::new(Semaphore::new(places));
        let service = http::router(app.clone(), get(ws::connect), federation::router(app));
        let service = service.into_make_service_with_connect_info::<SocketAddr>();
        let task = if let Some(tls) = &app.config.tls {
            let failed = |source| ListenError::Tls { cert: tls.cert_file.clone(), key: tls.key_file.clone(), source };
            let tls = RustlsConfig::from_pem_file(&tls.cert_file, &tls.key_file).await.map_err(failed)?;
            let server = axum_server::from_tcp_rustls(socket, tls).map_err(bind)?.handle(handle.clone());
            let mut server = server.map(|acceptor| Bounded::new(acceptor, places));
            bound(server.http_builder());
            tokio::spawn(server.serve(service))
        } else {
            let server = axum_server::from_tcp(socket).map_err(bind)?.handle(handle.clone());
            let mut server = server.map(|acceptor| Bounded::new(acceptor, places));
            bound(server.http_builder());
            tokio::spawn(server.serve(service))
        };
        Ok(Self { address, handle, task })
    }

    /// Takes no new connection and waits for the open ones, at most so long.
    pub(super) async fn stop(self, patience: Duration) {
        self.handle.graceful_shutdown(Some(patience));
        if let Ok(Err(error)) = self.task.await {
            tracing::error!(%error, "the listener failed");
        }
    }
}

/// Bounds how long a connection may stay without asking for anything, and how large what it asks with may be.
fn bound(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MAX_BYTES);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(HEAD).max_concurrent_streams(64);
    http2.max_header_list_size(HEAD_MAX_BYTES_HTTP2);
}
