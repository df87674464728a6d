//! Where a server's routes begin.

use std::fmt;

use missive_wire::ServerName;
use reqwest::Url;

/// The longest base URL, in characters.
const LONGEST: usize = 512;

/// Where a server's routes begin: `https://host:port`, perhaps with a path that a proxy takes away again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not a URL with a host, or longer than 512 characters.
    #[error("it is no URL with a host")]
    NotAUrl,
    /// Not `https`.
    #[error("it does not begin with https://")]
    NotHttps,
    /// A user, a password, a query or a fragment.
    #[error("it has a user, a password, a query or a fragment")]
    TooMuch,
    /// A path that a URL cannot have as it stands.
    #[error("the path {0:?} cannot be called as it stands")]
    Path(String),
}

impl BaseUrl {
    /// What a server says of itself: `https` only.
    pub fn https(text: &str) -> Result<Self, InvalidBaseUrl> {
        let base = Self::any(text)?;
        if base.0.scheme() == "https" { Ok(base) } else { Err(InvalidBaseUrl::NotHttps) }
    }

    /// What an admin says of a server: `https` or `http`.
    pub fn any(text: &str) -> Result<Self, InvalidBaseUrl> {
        let url = text.parse::<Url>().map_err(|_| InvalidBaseUrl::NotAUrl)?;
        if text.len() > LONGEST || !url.has_host() {
            return Err(InvalidBaseUrl::NotAUrl);
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(InvalidBaseUrl::NotHttps);
        }
        let more = !url.username().is_empty() || url.password().is_some();
        if more || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::TooMuch);
        }
        Ok(Self(url))
    }

    /// Where a server is that says nothing else.
    pub fn of_server(server: &ServerName) -> Result<Self, InvalidBaseUrl> {
        Self::https(&format!("https://{server}"))
    }

    /// The URL of a route. The path is called exactly as it stands, because it is signed as it stands.
    pub fn join(&self, path_and_query: &str) -> Result<Url, InvalidBaseUrl> {
        let base = self.0.as_str().trim_end_matches('/');
        let wrong = || InvalidBaseUrl::Path(path_and_query.to_owned());
        let text = format!("{base}{path_and_query}");
        let url = text.parse::<Url>().map_err(|_| wrong())?;
        let as_it_stands = path_and_query.starts_with('/') && url.as_str() == text && url.fragment().is_none();
        if as_it_stands { Ok(url) } else { Err(wrong()) }
    }

    /// As a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The same on another host; `None` where a URL cannot have it.
    pub(super) fn on_host(&self, host: &str) -> Option<Self> {
        let mut url = self.0.clone();
        url.set_host(Some(host)).ok().map(|()| Self(url))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}
