//! HTTP/1.1 over one kept connection, as little of it as the measured requests need.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// A connection.
pub struct Http {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// An answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The refresh token, if one came.
    pub refresh: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The `data` of a success.
    pub fn data(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("the server answered {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        let mut body: Value = serde_json::from_slice(&self.body).context("the answer is not JSON")?;
        Ok(body["data"].take())
    }
}

impl Http {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Asks, with header lines (each ending in CRLF) and a body, and waits for the answer.
    pub async fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
        let (address, length) = (self.address, body.len());
        let content = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{content}content-length: {length}\r\n{headers}\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer().await.with_context(|| format!("the answer to {method} {path}"))
    }

    async fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).context("no status line")?.parse()?;
        let (mut length, mut refresh) = (None, None);
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name {
                "content-length" => length = Some(value.trim().parse()?),
                "set-cookie" => refresh = value.trim().split(['=', ';']).nth(1).map(str::to_owned),
                _ => {}
            }
        }
        let mut body = vec![0; length.context("an answer without a content-length")?];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, refresh, body })
    }
}
