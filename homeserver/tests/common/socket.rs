//! A device's WebSocket, without a client: frames as JSON.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::{Home, Person};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open socket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens the socket of someone's device 1, and waits for the `hello`.
    pub(crate) async fn open(home: &Home, person: &Person) -> Self {
        let (socket, _) =
            Self::try_open(home, "authorization", &format!("Bearer {}", person.access_token)).await.unwrap();
        socket
    }

    /// Opens a socket with that header, and waits for the `hello`: the socket and the subprotocol agreed on, or the
    /// status and body of the refusal.
    pub(crate) async fn try_open(
        home: &Home,
        name: &'static str,
        value: &str,
    ) -> Result<(Self, Option<String>), (u16, Value)> {
        let mut request = home.url.replace("http://", "ws://").into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        // Without a pause for more to send: times are measured here.
        match connect_async_with_config(request, None, true).await {
            Ok((stream, answer)) => {
                let agreed = answer.headers().get("sec-websocket-protocol").map(|text| text.to_str().unwrap().into());
                let mut socket = Self(stream);
                socket.next_with("hello").await;
                Ok((socket, agreed))
            }
            Err(Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err((answer.status().as_u16(), serde_json::from_slice(body).unwrap()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The refusal of a socket with that header.
    pub(crate) async fn refused(home: &Home, name: &'static str, value: &str) -> (u16, Value) {
        Self::try_open(home, name, value).await.err().unwrap()
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame, whatever it is.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame with that member; what comes before it is left out.
    pub(crate) async fn next_with(&mut self, member: &str) -> Value {
        loop {
            let frame = self.next().await;
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
