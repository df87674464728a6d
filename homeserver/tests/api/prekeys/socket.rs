//! A WebSocket, as far as keys need one.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::common::{Home, Person};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn open(home: &Home, person: &Person) -> Self {
        let mut request = home.url.replacen("http", "ws", 1).into_client_request().unwrap();
        let bearer = format!("Bearer {}", person.access_token);
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        Self(connect_async(request).await.unwrap().0)
    }

    pub(super) async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame with that member.
    pub(super) async fn wait_for(&mut self, member: &str) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
            let Message::Text(text) = message.expect("an open socket").unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame.get(member).is_some() {
                return frame;
            }
        }
    }
}
