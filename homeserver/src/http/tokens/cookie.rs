//! The refresh cookie (RFC 6265).

use std::{convert::Infallible, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{header::HOST, request::Parts, uri::Authority},
};
use axum_extra::extract::CookieJar;
use missive_wire::Code;

use crate::{
    error::{Error, Result},
    http::Shared,
    keys::REFRESH_SECONDS,
};

const NAME: &str = "refreshToken";
const PATH: &str = "/api/v1/tokens";

/// The refresh cookie of a request, if it has one, and how to set it in the answer.
pub(crate) struct Cookie {
    token: Option<String>,
    secure: bool,
}

impl Cookie {
    /// The refresh token.
    pub(crate) fn token(&self) -> Result<&str> {
        let missing = || Error::new(Code::Unauthorized, "the refresh cookie is missing: log in again");
        self.token.as_deref().ok_or_else(missing)
    }

    /// The header that keeps a token, out of reach of scripts and of other sites.
    pub(crate) fn holding(&self, token: &str) -> String {
        self.header(token, REFRESH_SECONDS)
    }

    /// The header that removes the cookie.
    pub(crate) fn removed(&self) -> String {
        self.header("", 0)
    }

    fn header(&self, value: &str, max_age: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{NAME}={value}; Path={PATH}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")
    }
}

impl FromRequestParts<Shared> for Cookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> std::result::Result<Self, Infallible> {
        let token = CookieJar::from_headers(&parts.headers).get(NAME).map(|cookie| cookie.value().to_owned());
        // Some clients send no `Secure` cookie to a server on their own machine, which has no TLS.
        Ok(Self { token, secure: app.config.tls.is_some() || !is_loopback(parts) })
    }
}

/// Whether the client called this server by a name of its own machine.
fn is_loopback(parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse().ok());
    let authority: Option<Authority> = parts.uri.authority().cloned().or(host);
    authority.is_some_and(|authority| {
        let host = authority.host().trim_matches(['[', ']']);
        let is_address = host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        is_address || host == "localhost" || host.ends_with(".localhost")
    })
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn only_names_of_the_own_machine_are_loopback() {
        let is_loopback =
            |host: &str| is_loopback(&Request::get("/").header(HOST, host).body(()).unwrap().into_parts().0);
        for host in ["localhost", "localhost:8080", "one.localhost:80", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "example.org", "localhost.example.org", "10.0.0.1:8080", "[fe80::1]", "127.0.0.1.example.org"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
