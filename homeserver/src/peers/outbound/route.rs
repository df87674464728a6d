//! A way to one server, and what comes back on it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Client, Response};

use super::{BaseUrl, CallError};
use crate::peers::guard::Guard;

/// How long a call may take, and how large its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From the first step of connecting to the last byte of the answer, however slowly they come.
    pub time: Duration,
    /// Bytes of the answer's body.
    pub size: usize,
}

/// A way to one server. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Route {
    client: Client,
    base: BaseUrl,
    /// `None` where an admin said how to connect.
    guard: Option<Guard>,
}

/// An answer whose body has not been read.
#[derive(Debug)]
pub struct Incoming {
    /// Its status; never a redirect.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    response: Response,
    bounds: Bounds,
}

impl Route {
    pub(super) fn guarded(client: Client, base: BaseUrl, guard: Guard) -> Self {
        Self { client, base, guard: Some(guard) }
    }

    pub(super) fn trusted(client: Client, base: BaseUrl) -> Self {
        Self { client, base, guard: None }
    }

    /// Where it leads.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Whether an admin said how to connect.
    pub fn is_fixed(&self) -> bool {
        self.guard.is_none()
    }

    /// Gets a document that is not signed.
    pub async fn get(&self, path: &str, bounds: Bounds) -> Result<Incoming, CallError> {
        self.send(Method::GET, path, HeaderMap::new(), Bytes::new(), bounds).await
    }

    /// Sends a request with exactly these path, headers and body, once.
    pub async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
        bounds: Bounds,
    ) -> Result<Incoming, CallError> {
        let url = self.base.join(path_and_query)?;
        if let Some(guard) = &self.guard {
            guard.check_url(&url)?;
        }
        let request = self.client.request(method, url).headers(headers).body(body).timeout(bounds.time);
        let response = request.send().await.map_err(|error| CallError::of(&error, bounds))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_redirection() {
            let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
            let location = location.unwrap_or_default().chars().take(200).collect();
            return Err(CallError::Redirect { status: status.as_u16(), location });
        }
        Ok(Incoming { status, headers, response, bounds })
    }
}

impl Incoming {
    /// Reads the body, up to its bound.
    pub async fn read(mut self) -> Result<Bytes, CallError> {
        let too_large = CallError::TooLarge { limit: self.bounds.size };
        let promised = self.response.content_length().unwrap_or_default();
        if usize::try_from(promised).map_or(true, |promised| promised > self.bounds.size) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(part) = self.response.chunk().await.map_err(|error| CallError::of(&error, self.bounds))? {
            if part.len() > self.bounds.size - body.len() {
                return Err(too_large);
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }
}
