//! Accounts of the measured homeserver, and their sockets.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    frames::Incoming,
    http::{Answer, Http},
    socket::Socket,
};

/// The password of every account.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// Access tokens live for 15 minutes; older than this they are renewed before use.
const RENEW: Duration = Duration::from_mins(10);

/// An account, logged in on its first device.
pub struct Account {
    /// Its name.
    pub name: String,
    /// The name of its homeserver.
    server: &'static str,
    token: String,
    refresh: String,
    issued: Instant,
}

impl Account {
    /// Registers at the homeserver of that name.
    pub async fn register(http: &mut Http, server: &'static str, name: String) -> Result<Self> {
        let body = json!({"name": name, "password": PASSWORD}).to_string();
        let answer = http.request("POST", "/api/v1/users", "", &body).await?;
        let (token, refresh) = tokens(answer).with_context(|| format!("registering {name}"))?;
        Ok(Self { name, server, token, refresh, issued: Instant::now() })
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("{}@{}", self.name, self.server)
    }

    /// A valid access token.
    pub async fn token(&mut self, server: SocketAddr) -> Result<&str> {
        if self.issued.elapsed() > RENEW {
            let cookie = format!("cookie: refreshToken={}\r\n", self.refresh);
            let answer = Http::connect(server).await?.request("PUT", "/api/v1/tokens", &cookie, "").await?;
            (self.token, self.refresh) = tokens(answer).context("renewing a token")?;
            self.issued = Instant::now();
        }
        Ok(&self.token)
    }

    /// A request with the access token.
    pub async fn request(
        &mut self,
        http: &mut Http,
        server: SocketAddr,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answer> {
        let header = format!("authorization: Bearer {}\r\n", self.token(server).await?);
        http.request(method, path, &header, &body.to_string()).await
    }

    /// Connects and waits for the greeting: the socket, and how many messages wait.
    pub async fn connect(&mut self, server: SocketAddr) -> Result<(Socket, u64)> {
        greeted(server, self.token(server).await?).await
    }
}

/// Connects with a token and waits for the greeting.
pub async fn greeted(server: SocketAddr, token: &str) -> Result<(Socket, u64)> {
    let mut socket = Socket::connect(server, token).await?;
    let frame = socket.wait().await?;
    let hello = Incoming::parse(&frame)?.hello.context("the first frame is no greeting")?;
    Ok((socket, hello.pending))
}

/// The access and the refresh token of an answer.
fn tokens(answer: Answer) -> Result<(String, String)> {
    let data = answer.data()?;
    let access = data["accessToken"].as_str().context("no access token")?.to_owned();
    Ok((access, answer.refresh.context("no refresh token")?))
}
