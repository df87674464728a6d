//! A device's WebSocket: frames as JSON.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{Home, Person};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens someone's socket and waits for the `hello`.
    pub(crate) async fn open(home: &Home, person: &Person) -> Self {
        let mut request = format!("ws://{}/", home.listen).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", person.token).parse().unwrap());
        let mut socket = Self(connect_async(request).await.unwrap().0);
        socket.next_with("hello").await;
        socket
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame with that member.
    pub(crate) async fn next_with(&mut self, member: &str) -> Value {
        loop {
            let Message::Text(text) = timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame.get(member).is_some() {
                return frame;
            }
        }
    }

    /// Waits until the server closes the socket, and with which code.
    pub(crate) async fn closed(mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("closed without a code: {other:?}"),
            }
        }
    }
}
