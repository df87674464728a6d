//! How clients get to a homeserver: over HTTP, or over HTTPS with a certificate of a private authority.

use std::net::SocketAddr;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Error, client::IntoClientRequest as _, http::Request},
};

use super::{Authority, Homeserver};

/// How clients get to a homeserver.
#[derive(Clone)]
pub struct Way {
    /// Where its routes begin.
    pub url: String,
    address: SocketAddr,
    /// The authority's certificate, in PEM.
    authority: Option<String>,
}

impl Way {
    pub fn to(server: &Homeserver) -> Self {
        let authority = server.seat.authority.as_ref().map(Authority::certificate);
        Self { url: server.url.clone(), address: server.address, authority }
    }

    /// An HTTP client that finds the homeserver by its name, and believes no other authority.
    pub fn client(&self) -> reqwest::Client {
        let Some(authority) = &self.authority else { return reqwest::Client::new() };
        let root = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let host = self.url.trim_start_matches("https://").split(':').next().unwrap();
        reqwest::Client::builder().tls_certs_only([root]).resolve(host, self.address).build().unwrap()
    }

    /// The request that opens a socket with that access token.
    pub fn socket_request(&self, token: &str) -> Request<()> {
        let mut request = self.url.replacen("http", "ws", 1).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }

    /// Opens it.
    pub async fn connect(&self, token: &str) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
        let stream = TcpStream::connect(self.address).await?;
        let opened = client_async_tls_with_config(self.socket_request(token), stream, None, Some(self.connector()));
        opened.await.map(|(socket, _)| socket)
    }

    fn connector(&self) -> Connector {
        let Some(authority) = &self.authority else { return Connector::Plain };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder =
            ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions().unwrap();
        Connector::Rustls(builder.with_root_certificates(roots).with_no_client_auth().into())
    }
}
