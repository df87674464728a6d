//! Asking a server how it is. It may be any server: its answer is bounded, and no redirect is followed.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use homeserver::config::Config;
use missive_wire::Data;
use reqwest::{Certificate, Client, ClientBuilder, Response, Url, redirect};
use serde::Serialize;
use serde_json::Value;

use super::OK;

const CONNECT: Duration = Duration::from_secs(2);
/// Below the 5 s that containers usually give a health check.
const WHOLE: Duration = Duration::from_secs(4);

/// More than any readiness takes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// How a server is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    /// Where it was asked.
    url: String,
    /// `ok`, or what is wrong.
    state: String,
    /// What it says of its parts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<String, String>,
}

/// A server to be asked.
#[derive(Debug)]
pub(super) struct Question {
    url: Url,
    /// Where it listens, if that is known better than by the URL's name.
    address: Option<SocketAddr>,
    /// Certificates that are trusted besides the system's authorities.
    trusted: Vec<PathBuf>,
}

impl Question {
    /// The server at a URL.
    pub(super) fn at(url: Url) -> Self {
        Self { url, address: None, trusted: Vec::new() }
    }

    /// The server of a configuration, on this machine.
    pub(super) fn configured(config: &Config) -> Result<Self, Server> {
        let address = reachable(config.listen);
        // The certificate is for the server's name; what it was issued by may be known only inside the organisation.
        let (text, trusted) = match &config.tls {
            Some(tls) => {
                let host = config.server_name.split(':').next().unwrap_or_default();
                let authorities = config.federation.ca_file.iter().cloned();
                (format!("https://{host}:{}", address.port()), authorities.chain([tls.cert_file.clone()]).collect())
            }
            None => (format!("http://{address}"), Vec::new()),
        };
        let refused = |state: &str| Server::wrong(text.clone(), state);
        if address.port() == 0 {
            return Err(refused("listen has port 0, so that only the server's log tells where it is: use --url"));
        }
        let url = Url::parse(&text).map_err(|_| refused("listen and server_name make no URL: use --url"))?;
        Ok(Self { url, address: Some(address), trusted })
    }

    /// Asks it.
    pub(super) async fn ask(self) -> Server {
        let url = self.url.as_str().trim_end_matches('/').to_owned();
        let answered = async { read(self.send().await?).await }.await;
        let (ready, parts) = match answered {
            Ok(answer) => answer,
            Err(state) => return Server::wrong(url, &state),
        };
        let state = if ready { OK } else { "not ready" }.to_owned();
        Server { url, state, parts }
    }

    async fn send(&self) -> Result<Response, String> {
        let mut url = self.url.clone();
        url.set_path("/health/ready");
        url.set_query(None);
        let client = self.client().await?;
        client.get(url).send().await.map_err(|error| describe(&error))
    }

    async fn client(&self) -> Result<Client, String> {
        let mut builder = ClientBuilder::new()
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .redirect(redirect::Policy::none())
            // The server itself is asked, not what a proxy thinks of it.
            .no_proxy();
        if let (Some(host), Some(address)) = (self.url.host_str(), self.address) {
            builder = builder.resolve(host, address);
        }
        for path in &self.trusted {
            let unusable = |error: &dyn std::fmt::Display| format!("{} cannot be used: {error}", path.display());
            let pem = tokio::fs::read(path).await.map_err(|error| unusable(&error))?;
            let chain = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
            builder = builder.tls_certs_merge(chain);
        }
        builder.build().map_err(|error| describe(&error))
    }
}

impl Server {
    pub(super) fn is_healthy(&self) -> bool {
        self.state == OK
    }

    /// One line for the server, one for each part of it that is not well.
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = vec![[format!("server {}", self.url), self.state.clone()]];
        let wrong = self.parts.iter().filter(|(_, state)| *state != OK);
        rows.extend(wrong.map(|(part, state)| [format!("server's {part}"), state.clone()]));
        rows
    }

    fn wrong(url: String, state: &str) -> Self {
        Self { url, state: state.to_owned(), parts: BTreeMap::new() }
    }
}

/// `0.0.0.0` is where a server listens, not where it is reached.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Whether it is ready, and what it says of its parts.
async fn read(mut response: Response) -> Result<(bool, BTreeMap<String, String>), String> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            return Err("the answer is too long for a homeserver's".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    let stranger = || format!("it answers {status}, but not as a homeserver does");
    let Data { data } = serde_json::from_slice::<Data<BTreeMap<String, Value>>>(&body).map_err(|_| stranger())?;
    let ready = data.get("ready").and_then(Value::as_bool).ok_or_else(stranger)?;
    let parts = data.into_iter().filter_map(|(part, state)| Some((part, state.as_str()?.to_owned()))).collect();
    Ok((ready && status.is_success(), parts))
}

/// What went wrong, with the innermost cause: the others only say where it came through.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let what = if error.is_connect() { "cannot be reached" } else { "does not answer" };
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    match causes.last() {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}
