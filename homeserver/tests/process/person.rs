//! Someone who speaks the protocol's raw frames.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, http::Request, protocol::CloseFrame},
};

use super::{Homeserver, Way};

const PATIENCE: Duration = Duration::from_secs(10);

/// The password of everyone here; nobody may find it in a log or a database.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// An account, logged in.
pub struct Person {
    pub name: String,
    pub id: String,
    pub token: String,
    pub refresh: String,
    pub way: Way,
    server_name: String,
    http: reqwest::Client,
}

impl Person {
    /// Registers.
    pub async fn register(server: &Homeserver, name: &str) -> Self {
        let way = Way::to(server);
        let http = way.client();
        let body = json!({"name": name, "password": PASSWORD});
        let answer = http.post(format!("{}/api/v1/users", way.url)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let refresh = refresh_token(&answer);
        let body: Value = answer.json().await.unwrap();
        let text = |key: &str| body["data"][key].as_str().unwrap().to_owned();
        let (id, token) = (text("id"), text("accessToken"));
        Self { name: name.into(), id, token, refresh, way, server_name: server.seat.name.clone(), http }
    }

    /// The person's address.
    pub fn address(&self) -> String {
        format!("{}@{}", self.name, self.server_name)
    }

    /// The server has moved to another port.
    pub fn follow(&mut self, server: &Homeserver) {
        self.way = Way::to(server);
        self.http = self.way.client();
    }

    /// A request with the access token; the status and the body.
    pub async fn request(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.way.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Connects, and reads up to `drained`: the socket, and what came before that.
    pub async fn connect(&self) -> (Socket, Vec<Value>) {
        let mut socket = self.open().await;
        let mut frames = Vec::new();
        loop {
            let frame = socket.next().await;
            if frame.get("drained").is_some() {
                return (socket, frames);
            }
            frames.push(frame);
        }
    }

    /// Connects, and reads nothing.
    pub async fn open(&self) -> Socket {
        Socket(self.way.connect(&self.token).await.unwrap())
    }

    /// The request that opens the person's socket.
    pub fn socket_request(&self) -> Request<()> {
        self.way.socket_request(&self.token)
    }

    /// The server has moved to another port, and may have been away for long: a new access token for the refresh token.
    pub async fn renew(&mut self, server: &Homeserver) {
        self.follow(server);
        let cookie = format!("refreshToken={}", self.refresh);
        let request = self.http.put(format!("{}/api/v1/tokens", self.way.url)).header("cookie", cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        self.refresh = refresh_token(&answer);
        let body: Value = answer.json().await.unwrap();
        body["data"]["accessToken"].as_str().unwrap().clone_into(&mut self.token);
    }

    /// Connects and expects the door to be shut; the status.
    pub async fn refused(&self) -> u16 {
        match self.way.connect(&self.token).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => answer.status().as_u16(),
            other => panic!("expected a refusal, not {other:?}"),
        }
    }
}

fn refresh_token(answer: &reqwest::Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(['=', ';']).nth(1).unwrap().to_owned()
}

/// A connection.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.raw(Message::text(frame.to_string())).await;
    }

    /// Sends whatever.
    pub async fn raw(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
            match message.expect("an open socket").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// The close code that the server ends with; frames before it are passed over.
    pub async fn closed(&mut self) -> u16 {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a close in time");
            match message {
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return code.into(),
                Some(Ok(_)) => {}
                other => panic!("expected a close, not {other:?}"),
            }
        }
    }

    /// Nothing comes for a while.
    pub async fn silent(&mut self) {
        if let Ok(message) = tokio::time::timeout(Duration::from_millis(500), self.0.next()).await {
            panic!("expected silence, not {message:?}");
        }
    }

    /// Acknowledges a message frame as `received`.
    pub async fn received(&mut self, message: &Value) {
        self.status(message, "received").await;
    }

    /// Says what became of a message frame.
    pub async fn status(&mut self, message: &Value, state: &str) {
        let (sender, device) = (&message["sender"], &message["senderDevice"]);
        self.send(json!({"messageId": message["id"], "state": state, "receiver": sender, "senderDevice": device}))
            .await;
    }
}
