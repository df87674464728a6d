//! Requests to the homeserver: bounded in time and size, following no redirect, answers mapped to [`Error`].

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use missive_wire::{Code, Data, ErrorBody};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header, header::HeaderValue, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// The largest answer that is read: a page of a hundred messages at their largest is under it.
const ANSWER_MAX_BYTES: usize = 32 * 1024 * 1024;

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const REFRESH_COOKIE: &str = "refreshToken";

/// A homeserver's REST interface.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    base: Url,
}

/// Who asks.
pub(crate) enum Credential<'a> {
    /// Nobody in particular.
    None,
    /// The holder of an access token.
    Bearer(&'a SecretString),
    /// The holder of a refresh token.
    Cookie(&'a SecretString),
}

/// A successful answer's parts.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) refresh: Option<SecretString>,
    body: Vec<u8>,
}

impl Rest {
    /// Talks to the homeserver at an `http` or `https` URL.
    pub(crate) fn new(server: &str) -> Result<Self, Error> {
        let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        let Some(base) = Url::parse(server).ok().filter(usable) else {
            return Err(Error::InvalidServer("it begins with https:// or http:// and names a host".to_owned()));
        };
        if !base.username().is_empty()
            || base.password().is_some()
            || base.query().is_some()
            || base.fragment().is_some()
        {
            return Err(Error::InvalidServer("it names a host and, at most, a port and a path".to_owned()));
        }
        if base.scheme() == "http" && !is_this_computer(&base) {
            return Err(Error::InvalidServer("http:// is for this computer only: passwords need https://".to_owned()));
        }
        // One provider is compiled in; whoever installed it first, it is that one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::InvalidServer(error.to_string()))?;
        Ok(Self { http, base })
    }

    pub(crate) fn server(&self) -> &str {
        self.base.as_str()
    }

    /// `ws` or `wss` to the same place.
    pub(crate) fn socket_url(&self) -> String {
        // Url refuses no change between these schemes; the text has one of the two.
        self.base.as_str().replacen("http", "ws", 1)
    }

    /// Sends a request to `/api/v1/<path>`.
    pub(crate) async fn call<B: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        credential: Credential<'_>,
        body: Option<&B>,
    ) -> Result<Answer, Error> {
        let mut request = authorize(self.http.request(method, self.url(path)?), &credential);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    /// Sends a request to `/api/v1/<path>?<query>`.
    pub(crate) async fn query(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        credential: Credential<'_>,
    ) -> Result<Answer, Error> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        answer(authorize(self.http.request(method, url), &credential)).await
    }

    /// How long the homeserver takes to say that it lives.
    pub(crate) async fn reach(&self) -> Result<Duration, Error> {
        let asked = Instant::now();
        answer(self.http.get(self.place(&["health", "live"])?)).await?;
        Ok(asked.elapsed())
    }

    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        self.place(&[&["api", "v1"], path].concat())
    }

    fn place(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::InvalidServer("it cannot have a path".to_owned()))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }
}

impl Answer {
    /// The `data` of the answer.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice::<Data<T>>(&self.body)
            .map(|answer| answer.data)
            .map_err(|error| Error::UnexpectedAnswer(error.to_string()))
    }
}

fn is_this_computer(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer, Error> {
    let response = request.send().await.map_err(unreachable)?;
    let (status, refresh) = (response.status(), refresh_cookie(&response));
    let retry_after = retry_after(&response);
    let body = read(response).await?;
    if status.is_success() { Ok(Answer { status, refresh, body }) } else { Err(refusal(status, retry_after, &body)) }
}

fn authorize(request: RequestBuilder, credential: &Credential<'_>) -> RequestBuilder {
    match credential {
        Credential::None => request,
        Credential::Bearer(token) => request.bearer_auth(token.expose_secret()),
        Credential::Cookie(token) => {
            let cookie = HeaderValue::try_from(format!("{REFRESH_COOKIE}={}", token.expose_secret()));
            match cookie {
                Ok(mut cookie) => {
                    cookie.set_sensitive(true);
                    request.header(header::COOKIE, cookie)
                }
                // The server sent it as a header, so it is one; without it the answer is 401.
                Err(_) => request,
            }
        }
    }
}

fn refresh_cookie(response: &Response) -> Option<SecretString> {
    response.headers().get_all(header::SET_COOKIE).iter().find_map(|cookie| {
        let (name, value) = cookie.to_str().ok()?.split(';').next()?.split_once('=')?;
        (name.trim() == REFRESH_COOKIE && !value.is_empty()).then(|| value.trim().to_owned().into())
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn read(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            return Err(Error::UnexpectedAnswer("it is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a failed answer means.
pub(crate) fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let Ok(ErrorBody { error, code, details }) = serde_json::from_slice(body) else {
        // A proxy in between, or no homeserver at all.
        return Error::Unreachable(format!("its address answers {status}"));
    };
    let retry_after = retry_after.or(details.retry_after.map(Duration::from_secs));
    match code {
        Code::WrongCredentials => Error::WrongCredentials,
        Code::NameTaken => Error::NameTaken,
        Code::AccountRevoked => Error::AccountRevoked,
        Code::SessionEnded | Code::Unauthorized | Code::TokenExpired => Error::SessionEnded,
        Code::RateLimited | Code::LockedOut => Error::RateLimited { retry_after, error },
        Code::Unavailable | Code::Internal => Error::Unreachable(error),
        Code::UnknownServer if retry_after.is_some() => Error::PeerUnreachable { retry_after, error },
        code => Error::Refused { code, error, highest_key_id: details.highest_key_id },
    }
}

#[allow(clippy::needless_pass_by_value)] // it is used as a function
fn unreachable(error: reqwest::Error) -> Error {
    // The innermost cause says what happened ("connection refused"); the URL around it is known.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Error::Unreachable(cause.to_string())
}
